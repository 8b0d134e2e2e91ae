"""Every error a user may meet. Commands print them in two lines and exit; nothing else reaches a user.

StyleCloneError                  1  anything that failed
├── UsageError                   2  the command was misused: a wrong option, name or value
│   ├── PersonaNotFound          2  no persona of that name
│   ├── AuthorNotFound           2  nobody in the corpus has the name given as "me"
│   └── PortTaken                2  the port asked for is in use
├── IngestError                  1  a file of the corpus cannot be read as writing
│   ├── UnknownFormat            1  no importer knows the file
│   ├── AmbiguousFormat          1  two importers claim the file
│   └── UnsafeArchive            1  an archive that is broken, too large or tries to escape
├── MissingStage                 1  an earlier stage has not been run, or its output is stale
├── PairsError                   1  the corpus cannot become pairs
│   └── TooFewPairs              1  too little of the author's writing to train on
├── ModelError                   1  the base model cannot be fetched, converted or loaded
├── TrainingError                1  training could not go on
│   └── TrainingCancelled        1  training was stopped on purpose; it can be resumed
├── ServingError                 1  the endpoint could not be started or reached
│   └── EngineError              1  vLLM did not start, or died
├── JobError                     1  a background job failed
└── StorageError                 1  a file could not be saved; what was there before still is
"""


class StyleCloneError(Exception):
    """A failure told to the user: what is wrong, and how to mend it."""

    exit_code = 1

    def __init__(self, problem: str, *, mend: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.problem}\n{self.mend}" if self.mend else self.problem


class UsageError(StyleCloneError):
    """The command was misused."""

    exit_code = 2


class PersonaNotFound(UsageError):
    """No persona of that name."""


class AuthorNotFound(UsageError):
    """Nobody in the corpus has the name given as "me"."""


class PortTaken(UsageError):
    """The port asked for is in use."""


class IngestError(StyleCloneError):
    """A file of the corpus cannot be read as writing."""


class UnknownFormat(IngestError):
    """No importer knows the file."""


class AmbiguousFormat(IngestError):
    """Two importers claim the file."""


class UnsafeArchive(IngestError):
    """An archive that is broken, too large, or whose entries point outside it."""


class MissingStage(StyleCloneError):
    """An earlier stage has not been run, or its output is stale."""


class PairsError(StyleCloneError):
    """The corpus cannot become pairs."""


class TooFewPairs(PairsError):
    """Too little of the author's writing to train on."""


class ModelError(StyleCloneError):
    """The base model cannot be fetched, converted or loaded."""


class TrainingError(StyleCloneError):
    """Training could not go on."""


class TrainingCancelled(TrainingError):
    """Training was stopped on purpose; it can be resumed."""


class ServingError(StyleCloneError):
    """The endpoint could not be started or reached."""


class EngineError(ServingError):
    """vLLM did not start, or died."""


class JobError(StyleCloneError):
    """A background job failed."""


class StorageError(StyleCloneError):
    """A file could not be saved; what was there before still is."""
