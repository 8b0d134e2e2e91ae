"""The looks of the vote: two cards to choose from, and a share with its interval."""

from __future__ import annotations

VOTE_CSS = """
.sc-arena { display: flex; flex-direction: column; gap: 14px; }
.sc-arena .sc-progress { padding: 12px 16px; }
.sc-arena .sc-progress ul { display: none; }
.sc-arena h3 { margin: 4px 0 0; font-size: 1.08rem; font-weight: 650; color: var(--body-text-color); }
.sc-arena h3:focus { outline: none; }
/* Reversed, so that a long conversation is scrolled to its end: the last message is the one to be answered. */
.sc-talk { display: flex; flex-direction: column-reverse; max-height: 320px; overflow-y: auto; padding: 14px 16px;
  border: 1px solid var(--border-color-primary); border-radius: 12px; background: var(--block-background-fill); }
.sc-writing { margin: 0 0 14px; padding: 10px 16px; border: 1px solid var(--border-color-primary); border-radius: 12px;
  background: var(--block-background-fill); color: var(--body-text-color); overflow-wrap: anywhere; }
.sc-writing summary { cursor: pointer; font-weight: 600; }
.sc-writing ul { margin: 8px 0 4px; padding-left: 18px; list-style: disc; }
.sc-writing li { margin: 6px 0; }
.sc-cards { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; }
.sc-choice { display: flex; gap: 12px; align-items: flex-start; text-align: left; font: inherit; font-size: 1rem;
  line-height: 1.45; padding: 16px; min-height: 96px; border-radius: 12px; cursor: pointer; overflow-wrap: anywhere;
  color: var(--body-text-color); background: var(--block-background-fill); border: 2px solid var(--border-color-primary); }
.sc-cards .sc-choice { height: 100%; margin: 0; }
.sc-choice:hover { border-color: var(--primary-600); }
.sc-choice:focus-visible { outline: 2px solid var(--primary-600); outline-offset: 2px; }
.sc-choice span { flex: 1; min-width: 0; display: flex; flex-direction: column; gap: 2px; }
.sc-choice i { font-style: normal; }
.sc-choice kbd { flex: none; font-family: var(--font-mono); font-size: 0.84rem; line-height: 1.5; border-radius: 6px;
  padding: 0 8px; color: var(--body-text-color-subdued); background: var(--neutral-100);
  border: 1px solid var(--border-color-primary); }
.dark .sc-choice kbd { background: var(--neutral-800); }
.sc-choice.sc-tie { min-height: 0; align-self: center; align-items: center; padding: 9px 18px; font-size: 0.95rem; }
.sc-shares { display: grid; grid-template-columns: minmax(90px, auto) 1fr auto; gap: 12px 16px; align-items: center;
  margin: 16px 0 0; color: var(--body-text-color); font-size: 0.93rem; }
.sc-shares b { font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
.sc-shares small { color: var(--body-text-color-subdued); font-size: 0.82rem; }
.sc-ends { display: grid; grid-template-columns: 1fr auto 1fr; }
.sc-ends :last-child { text-align: right; }
.sc-share { position: relative; height: 22px; border-radius: 6px; background: var(--neutral-100); }
.dark .sc-share { background: var(--neutral-800); }
.sc-share i { position: absolute; top: 7px; height: 8px; border-radius: 4px; background: var(--primary-300); }
.dark .sc-share i { background: var(--primary-800); }
.sc-share u { position: absolute; top: 3px; width: 16px; height: 16px; margin-left: -8px; border-radius: 50%;
  background: var(--primary-600); }
.sc-share::after { content: ""; position: absolute; left: 50%; top: -4px; bottom: -4px; border-left: 2px dashed
  var(--neutral-400); }
@media (max-width: 640px) {
  .sc-cards { grid-template-columns: 1fr; gap: 10px; }
  .sc-choice { min-height: 72px; padding: 14px; }
  .sc-choice.sc-tie { align-self: stretch; justify-content: center; }
  .sc-talk { max-height: 34vh; }
  .sc-shares { grid-template-columns: 1fr auto; gap: 6px 12px; }
  .sc-shares .sc-share, .sc-shares .sc-ends { grid-column: 1 / -1; grid-row: auto; }
  .sc-shares .sc-gap { display: none; }
}
"""
