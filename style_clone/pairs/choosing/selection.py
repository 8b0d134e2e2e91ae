"""Which texts to keep where there are too many: all lengths, all topics, the typical before the odd; nothing too often."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from style_clone.pairs.choosing.texts import Texts, mixed
from style_clone.pairs.cleaning.filters import MIN_COMPARED_WORDS
from style_clone.pairs.summary import LENGTH_BINS

STOCK_SHARE, STOCK_LEAST = 0.01, 3
"""One short reply word for word: a hundredth of the pairs is a habit, more is "ok" learnt at the cost of all else."""

CONTACT_SHARE, CONTACT_LEAST, FEWEST_CONTACTS = 0.5, 1000, 3
"""One contact: half of the pairs, or the thousand that a first model needs. With two contacts one always has half."""

_PLANES = 32
_LEVELS = 32  # of a factor of two each; nothing is less common than one text in N

Parts = NDArray[np.int64]
"""Parts of an ordered list of texts, (3, P): where each begins, where it ends, how many of its texts are to be kept."""


def length_shares(lengths: NDArray[np.int64]) -> tuple[int, ...]:
    """How many texts fall into each of LENGTH_BINS, from their numbers of words (N,)."""
    return tuple(np.bincount(_length_bin(lengths), minlength=len(LENGTH_BINS)).tolist())


def _length_bin(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.searchsorted([fewest for fewest, _ in LENGTH_BINS[1:]], lengths, side="right")


# Caps


def cap_stock_replies(texts: Texts, rank: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which replies to keep, (N,), so that none of under 5 words makes up more than 1% of them, or 3 if that is more.

    Replies are the same where their words are. Of one said too often those of the lowest `rank` (N,) stay.
    """
    lengths = texts.lengths()
    keys = np.zeros(len(texts), np.int64)
    for place in range(MIN_COMPARED_WORDS - 1):
        word = np.zeros(len(texts), np.int64)
        word[lengths > place] = texts.word_ids[texts.starts[:-1][lengths > place] + place] + 1
        keys = np.unique(keys * (texts.num_known + 1) + word, return_inverse=True)[1]
    keys[(lengths == 0) | (lengths >= MIN_COMPARED_WORDS)] = -1
    return cap_shares(keys, rank, STOCK_SHARE, STOCK_LEAST)


def cap_contacts(contact: NDArray[np.int32], rank: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which pairs to keep, (N,), so that no contact makes up more than half of them, or 1,000 if that is more.

    `contact` (N,) is -1 where it is not known. With fewer than three contacts all are kept. Of a contact with too many
    those of the lowest `rank` (N,) stay.
    """
    if len(np.unique(contact[contact >= 0])) < FEWEST_CONTACTS:
        return np.ones(len(contact), np.bool_)
    return cap_shares(contact.astype(np.int64), rank, CONTACT_SHARE, CONTACT_LEAST)


def cap_shares(keys: NDArray[np.int64], rank: NDArray[np.int64], share: float, least: int) -> NDArray[np.bool_]:
    """Which of N to keep, (N,), so that no key makes up more than `share` of what is kept, or `least` if that is more.

    What has a key below 0 is always kept. Of each key those of the lowest `rank` (N,) are.
    """
    counts = np.bincount(keys[keys >= 0])
    most = _most_of_one(counts, int(np.count_nonzero(keys < 0)), share, least)
    return (keys < 0) | (_places_in_key(keys, rank) < most)


def _most_of_one(counts: NDArray[np.int64], others: int, share: float, least: int) -> int:
    """The largest cap that is at most `share` of what is left under it, found by bisection; never under `least`.

    What is left under a cap c, others + sum(min(count, c)), is concave in c: once c exceeds its share, it always does.
    """
    fits, fails = 0, int(counts.max(initial=0)) + 1
    while fails - fits > 1:
        cap = (fits + fails) // 2
        if cap <= share * (others + int(np.minimum(counts, cap).sum())):
            fits = cap
        else:
            fails = cap
    return max(fits, least)


def _places_in_key(keys: NDArray[np.int64], rank: NDArray[np.int64] | NDArray[np.float32]) -> NDArray[np.int64]:
    """Each one's place among those of its key, from 0, by rank and then by number; (N,)."""
    order = np.lexsort((rank, keys))
    ordered = keys[order]
    begins = np.searchsorted(ordered, ordered)
    places = np.empty(len(keys), np.int64)
    places[order] = np.arange(len(keys)) - begins
    return places


# A subset


def typical_and_diverse(
    texts: Texts, wanted: int, groups: NDArray[np.int64] | None = None, seed: int = 0
) -> NDArray[np.bool_]:
    """Which `wanted` of N texts to keep, (N,): of every length as many as before in proportion, of all topics, typical.

    A text is the set of its words, each weighing log(N / df) where df of N texts have it, scaled to unit length.

    1. Lengths. Texts are sorted into LENGTH_BINS, and each bin gets its share of `wanted` by largest remainder. With
       `groups` (N,), a few dozen numbers from 0 on, each group gets its share in the same way first.
    2. Rarity. A text is as common as its mean cosine with all texts says. The bin's places go to texts in inverse
       proportion to that, up to one each, as if every text stood for those like it: what is said once is not crowded
       out by what is said a thousand times. Levels in which commonness differs by less than two get places together.
    3. Topics. 32 random planes, each made of a sign for every word (Achlioptas 2003), have alike texts on the same sides
       (Charikar 2002). Plane after plane halves each level; both halves get the same number of places, the smaller one
       no more than it can fill.
    4. Typical. A part with one place left, or on one side of every plane, keeps the text nearest to its mean, the
       earlier of two as near.

    All texts are kept where `wanted` is N or more. `seed`, 0 or more, moves the planes. Linear in the words but for
    sorting them in batches. Raises ValueError where `wanted` is negative.
    """
    if wanted < 0:
        raise ValueError(f"wanted must be 0 or more, not {wanted}")
    if wanted >= len(texts):
        return np.ones(len(texts), np.bool_)
    bags = _bags(texts)
    weights = _weights(bags)
    strata, places = _strata(texts.lengths(), _commonness(bags, weights), wanted, groups)
    directions = _directions(bags, weights, seed)
    codes = _codes(directions)
    order = np.lexsort((codes, strata))
    ends = np.cumsum(np.bincount(strata, minlength=len(places)))
    parts = _halved(np.stack((np.concatenate(([0], ends[:-1])), ends, places)), codes[order])
    kept = np.zeros(len(texts), np.bool_)
    kept[order[_most_typical(parts, directions[order])]] = True
    return kept


def _strata(
    lengths: NDArray[np.int64], common: NDArray[np.float64], wanted: int, groups: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each text's stratum (N,), and each stratum's places: by group, length bin and level of commonness."""
    bins = len(LENGTH_BINS)
    group = np.zeros_like(lengths) if groups is None else groups
    level = np.minimum(-np.log2(common), _LEVELS - 1).astype(np.int64)
    strata = (group * bins + _length_bin(lengths)) * _LEVELS + level
    shape = (int(group.max(initial=0)) + 1, bins, _LEVELS)
    sizes = np.bincount(strata, minlength=np.prod(shape)).reshape(shape)
    claims = np.bincount(strata, 1 / common, minlength=np.prod(shape)).reshape(shape)
    places = np.zeros_like(sizes)
    of_groups = _shared_out(wanted, sizes.sum(axis=(1, 2)))
    for number, of_group in enumerate(of_groups):
        for bin_, of_bin in enumerate(_shared_out(of_group, sizes[number].sum(axis=1))):
            places[number, bin_] = _shared_out(of_bin, sizes[number, bin_], claims[number, bin_])
    return strata, places.ravel()


def _shared_out(places: int, sizes: NDArray[np.int64], claims: NDArray[np.float64] | None = None) -> NDArray[np.int64]:
    """Places in proportion to claims (else sizes), none more than its size, (S,): by largest remainder, first of equals.

    What one cannot fill goes to the others in proportion. `places` is no more than the sum of sizes.
    """
    claims = sizes.astype(np.float64) if claims is None else claims
    shares = np.zeros(len(sizes))
    is_open = sizes > 0
    while is_open.any():
        left = places - sizes[(sizes > 0) & ~is_open].sum()
        shares[is_open] = left * claims[is_open] / claims[is_open].sum()
        full = is_open & (shares >= sizes)
        shares[full] = sizes[full]
        if not full.any():
            break
        is_open &= ~full
    whole = np.floor(shares).astype(np.int64)
    whole[np.argsort(whole - shares, kind="stable")[: places - int(whole.sum())]] += 1
    return whole


def _bags(texts: Texts) -> Texts:
    """The texts as sets: each of a text's words once, by number."""
    word_ids, sizes = [np.empty(0, np.int32)], [np.zeros(1, np.int64)]
    for first, last in texts.batches():
        owners = np.repeat(np.arange(last - first), np.diff(texts.starts[first : last + 1]))
        held = np.unique(owners << 32 | texts.word_ids[texts.starts[first] : texts.starts[last]])
        word_ids.append((held & 0xFFFFFFFF).astype(np.int32))
        sizes.append(np.bincount(held >> 32, minlength=last - first))
    return Texts(np.concatenate(word_ids), np.cumsum(np.concatenate(sizes)), texts.num_known)


def _weights(bags: Texts) -> NDArray[np.float32]:
    """log(N / df) of each word, (num_known,); a word in every text weighs nothing."""
    holders = np.maximum(np.bincount(bags.word_ids, minlength=bags.num_known), 1)
    return np.log(len(bags) / holders).astype(np.float32)


def _commonness(bags: Texts, weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Each text's mean cosine with all texts, over 0 to 1, (N,): its product with their mean. 1 where no word weighs."""
    norms = np.sqrt(_sums(bags, np.square(weights)))
    scales = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
    mean = np.bincount(bags.word_ids, np.repeat(scales, bags.lengths()), bags.num_known) * weights / len(bags)
    return np.where(norms > 0, np.clip(_sums(bags, mean * weights) * scales, 1 / len(bags), 1), 1)


def _sums(bags: Texts, values: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum over each text's words of a value given for each word, (N,)."""
    sums = np.zeros(len(bags))
    filled = np.flatnonzero(bags.lengths())
    if len(filled):
        sums[filled] = np.add.reduceat(values[bags.word_ids], bags.starts[filled])
    return sums


def _directions(bags: Texts, weights: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Each text's place beside the planes, (N, 32) at unit length; 0 for a text whose words weigh nothing."""
    weighed = _signs(bags.num_known, seed) * weights[:, None]
    directions = np.zeros((len(bags), _PLANES), np.float32)
    for first, last in bags.batches():
        filled = first + np.flatnonzero(np.diff(bags.starts[first : last + 1]))
        begin, end = bags.starts[first], bags.starts[last]
        if len(filled):
            directions[filled] = np.add.reduceat(weighed[bags.word_ids[begin:end]], bags.starts[filled] - begin, axis=0)
    norms = np.sqrt(np.einsum("ij,ij->i", directions, directions))
    directions /= np.maximum(norms, np.finfo(np.float32).tiny)[:, None]
    return directions


def _signs(num_known: int, seed: int) -> NDArray[np.int8]:
    """32 signs a word, (num_known, 32): the bits of its mixed number, and so the same with every version of numpy."""
    numbers = mixed(mixed(np.full(1, seed, np.uint64)) + np.arange(1, num_known + 1, dtype=np.uint64))
    bits = np.unpackbits(numbers.astype("<u8").view(np.uint8).reshape(-1, 8)[:, : _PLANES // 8], axis=1)
    return bits.astype(np.int8) * 2 - 1


def _codes(directions: NDArray[np.float32]) -> NDArray[np.uint64]:
    """The sides of a text as the bits of a number, the first plane's highest, (N,)."""
    codes = np.zeros(len(directions), np.uint64)
    for side in directions.T:
        codes = codes << np.uint64(1) | (side > 0)
    return codes


def _halved(parts: Parts, codes: NDArray[np.uint64]) -> Parts:
    """Parts cut by plane after plane until each has one place, is kept whole, or lies on one side of every plane.

    `codes` (N,) ascend within each part.
    """
    done = []
    for plane in range(_PLANES - 1, -1, -1):
        begins, ends, places = parts
        is_open = (places > 1) & (places < ends - begins)
        done.append(parts[:, ~is_open])
        if not is_open.any():
            return np.concatenate(done, axis=1)
        before = np.concatenate(([0], np.cumsum(codes >> np.uint64(plane) & np.uint64(1), dtype=np.int64)))
        parts = _cut(parts[:, is_open], before)
    return np.concatenate((*done, parts), axis=1)


def _cut(parts: Parts, before: NDArray[np.int64]) -> Parts:
    """Each part's two halves. `before` (N + 1,) counts the texts beyond the plane before each text: they come second.

    Each half gets half the places, the smaller one no more than it can fill, the larger one what is left.
    """
    begins, ends, places = parts
    middles = ends - (before[ends] - before[begins])
    first, second = middles - begins, ends - middles
    to_smaller = np.minimum(np.minimum(first, second), places // 2)
    to_first = np.where(first < second, to_smaller, places - to_smaller)
    halves = (begins, middles, to_first), (middles, ends, places - to_first)
    return np.concatenate([np.stack(half) for half in halves], axis=1)


def _most_typical(parts: Parts, directions: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which texts get their part's places, (N,): the nearest to its mean direction, the earlier of two as near."""
    parts = parts[:, parts[0] < parts[1]]
    begins, ends, places = parts[:, np.argsort(parts[0])]
    part = np.repeat(np.arange(len(begins)), ends - begins)
    sums = np.add.reduceat(directions, begins, axis=0)
    nearness = np.einsum("ij,ij->i", directions, sums[part])
    chosen: NDArray[np.bool_] = _places_in_key(part, -nearness) < places[part]
    return chosen
