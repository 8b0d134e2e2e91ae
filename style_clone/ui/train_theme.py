"""The looks of the training step: the plan's card, the curve's best point, the voice as it comes."""

from __future__ import annotations

TRAIN_CSS = """
.sc-plan dl { grid-template-columns: repeat(3, 1fr); gap: 14px 20px; }
.sc-plan p + dl { margin-top: 16px; }
.sc-ran dl { grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
:is(.sc-plan, .sc-ran) dd { overflow-wrap: anywhere; }
:is(.sc-plan, .sc-ran) dd.sc-sub { color: var(--body-text-color-subdued);
  font-size: 0.82rem; font-weight: 400; line-height: 1.4; }
.sc-sub, .sc-card p.sc-sub { color: var(--body-text-color-subdued); font-size: 0.88rem; }
.sc-card code { font-family: var(--font-mono); font-size: 0.88em; background: var(--neutral-100); border-radius: 4px;
  padding: 1px 5px; color: var(--body-text-color); overflow-wrap: anywhere; }
.dark .sc-card code { background: var(--neutral-800); }
.sc-gauge { display: grid; grid-template-columns: repeat(3, 1fr); gap: 6px; margin: 0 0 14px; padding: 0; list-style: none; }
.gradio-container .sc-gauge li { margin: 0; padding: 8px 0 0; border-style: solid; border-width: 6px 0 0;
  border-color: var(--neutral-200);
  display: flex;
  flex-direction: column; color: var(--body-text-color-subdued); font-size: 0.9rem; line-height: 1.35; }
.dark .gradio-container .sc-gauge li { border-color: var(--neutral-700); }
.gradio-container .sc-gauge li.sc-reached, .dark .gradio-container .sc-gauge li.sc-reached {
  border-color: var(--primary-600); }
.sc-gauge b { font-weight: 500; }
.sc-gauge small { font-size: 0.8rem; color: var(--body-text-color-subdued); }
.sc-gauge li[aria-current] b { color: var(--body-text-color); font-weight: 700; }
.sc-gauge li:not([aria-current]) small { opacity: 0.85; }
.sc-card + .sc-more, .sc-card + .sc-notice, .sc-notice + .sc-card, .sc-progress + .sc-notice, .sc-notice + .sc-more {
  margin-top: 12px; }
.sc-inside .sc-card { border: 0; padding: 0 0 4px; }
.sc-inside .sc-more { border-radius: 8px; }
.sc-why .sc-table td { white-space: normal; vertical-align: top; line-height: 1.45; }
.sc-why .sc-table td:nth-child(2) { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.sc-why .sc-table td:nth-child(3) { color: var(--body-text-color-subdued); }
.sc-more p.sc-sub { margin: 10px 0 0; overflow-wrap: anywhere; }
.sc-act { font: inherit; font-size: 0.84rem; padding: 5px 14px; border-radius: 8px; cursor: pointer; white-space: nowrap;
  border: 1px solid var(--button-secondary-border-color); background: var(--button-secondary-background-fill);
  color: var(--body-text-color); }
.sc-act:hover { background: var(--button-secondary-background-fill-hover); }
.sc-act:focus-visible { outline: 2px solid var(--primary-600); outline-offset: 2px; }
.sc-scorecard { display: block; width: 100%; min-height: 400px; border: 1px solid var(--border-color-primary);
  border-radius: 12px; margin-top: 12px; color-scheme: light; background: #fafaf9; }
.dark .sc-scorecard { color-scheme: dark; background: #0c0a09; }
.gradio-container .sc-downloads { display: flex; flex-wrap: wrap; gap: 8px; margin: 0; }
.sc-notice + .sc-downloads { margin-top: 12px; }
.gradio-container a.sc-act { text-decoration: none; }
.sc-starts { gap: 10px !important; }
.sc-starts button { flex: 0 1 150px !important; }
.gradio-container .sc-advanced { border-radius: 12px; }

.sc-chart .sc-best { fill: none; stroke: var(--primary-600); stroke-width: 2; }
.sc-chart figcaption .sc-key-best::before { width: 9px; height: 9px; border-radius: 50%; background: none;
  border: 2px solid var(--primary-600); }
.sc-voice { border: 1px solid var(--border-color-primary); border-radius: 12px; padding: 16px 20px;
  background: var(--block-background-fill); display: flex; flex-direction: column; gap: 14px; }
.sc-voice h3 { margin: 0 0 -10px; font-size: 1.02rem; font-weight: 650; color: var(--body-text-color); }
.sc-said { display: flex; flex-direction: column; gap: 6px; padding-top: 14px;
  border-top: 1px solid var(--border-color-primary); }
.sc-said p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.45; color: var(--body-text-color); }
.sc-asked { align-self: flex-start; max-width: 84%; background: var(--neutral-100); border-radius: 12px; padding: 7px 13px; }
.dark .sc-asked { background: var(--neutral-800); }
.sc-said ol { display: flex; flex-direction: column; gap: 6px; margin: 0; padding: 0; list-style: none; }
.gradio-container .sc-said li { display: grid; grid-template-columns: 84px 1fr; gap: 10px; align-items: baseline; margin: 0; }
.sc-said small { text-align: right; font-size: 0.8rem; color: var(--body-text-color-subdued);
  font-variant-numeric: tabular-nums; }
.sc-said li p { color: var(--body-text-color-subdued); padding: 5px 12px; border-radius: 10px;
  border: 1px solid var(--border-color-primary); justify-self: start; }
.sc-said .sc-now p { color: var(--body-text-color); border-color: var(--primary-600); }
.sc-said .sc-yours p { color: #14532d; background: #dcfce7; border-color: #86efac; }
.dark .sc-said .sc-yours p { color: #dcfce7; background: #14432a; border-color: #2f855a; }
/* Gradio puts its own prefix before these selectors; naming its container here would match nothing. */
@media (max-width: 640px) {
  .sc-plan dl, .sc-ran dl { grid-template-columns: 1fr 1fr; gap: 12px 16px; }
  .sc-starts button { flex: 1 1 40% !important; }
  .sc-gauge { grid-template-columns: 1fr; gap: 0; }
  .sc-gauge li { border-width: 0 0 0 6px !important; padding: 4px 0 4px 12px !important; }
  .sc-said li { grid-template-columns: 1fr !important; gap: 2px !important; }
  .sc-said small { text-align: left; }
  .sc-voice { padding: 14px 16px; }
  .sc-why .sc-table tr { display: grid; grid-template-columns: 1fr auto; padding: 10px 0; }
  .sc-why .sc-table thead { display: none; }
  .sc-why .sc-table td { padding: 2px 14px; border: 0 !important; }
  .sc-why .sc-table td:nth-child(3) { grid-column: 1 / -1; }
  .sc-larger thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .sc-larger tr { display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: center; padding: 10px 12px; }
  .sc-larger tbody tr + tr { border-top: 1px solid var(--border-color-primary) !important; }
  .sc-larger td { padding: 0 !important; border: 0 !important; }
  .sc-larger td:first-child { flex-basis: 100%; white-space: normal; overflow-wrap: anywhere; }
  .sc-larger td:last-child { margin-left: auto; }
}
"""
