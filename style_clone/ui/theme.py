"""The page's looks: system fonts, one accent colour, light and dark. Nothing here is loaded from anywhere."""

from __future__ import annotations

from style_clone.ui.train_theme import TRAIN_CSS
from style_clone.ui.vote_theme import VOTE_CSS

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
FONT_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

VARIABLES = {
    "body_background_fill": "*neutral_50",
    "body_background_fill_dark": "*neutral_950",
    "body_text_color_subdued": "*neutral_600",
    "body_text_color_subdued_dark": "*neutral_400",
    "color_accent": "*primary_700",
    "block_background_fill": "white",
    "block_background_fill_dark": "*neutral_900",
    "block_border_width": "1px",
    "block_border_color": "*neutral_200",
    "block_border_color_dark": "*neutral_800",
    "block_shadow": "none",
    "block_radius": "12px",
    "block_label_text_weight": "500",
    "block_title_text_weight": "600",
    "block_title_text_color": "*neutral_800",
    "block_title_text_color_dark": "*neutral_200",
    "block_info_text_color": "*neutral_500",
    "block_info_text_color_dark": "*neutral_400",
    "input_background_fill": "white",
    "input_background_fill_dark": "*neutral_950",
    "input_border_width": "1px",
    "input_border_color": "*neutral_300",
    "input_border_color_dark": "*neutral_700",
    "input_border_color_focus": "*primary_600",
    "input_radius": "8px",
    "button_primary_background_fill": "*primary_700",
    "button_primary_background_fill_hover": "*primary_800",
    "button_primary_background_fill_dark": "*primary_600",
    "button_primary_background_fill_hover_dark": "*primary_500",
    "button_primary_text_color": "white",
    "button_secondary_background_fill": "white",
    "button_secondary_background_fill_dark": "*neutral_800",
    "button_secondary_background_fill_hover": "*neutral_100",
    "button_secondary_background_fill_hover_dark": "*neutral_700",
    "button_secondary_border_color": "*neutral_300",
    "button_secondary_border_color_dark": "*neutral_700",
    "button_border_width": "1px",
    "button_primary_border_color": "*primary_700",
    "button_primary_border_color_dark": "*primary_600",
    "button_large_radius": "8px",
    "button_large_text_weight": "600",
    "button_large_text_size": "*text_md",
    "button_large_padding": "10px 18px",
    "link_text_color": "*primary_700",
    "link_text_color_dark": "*primary_400",
    "checkbox_background_color_selected": "*primary_700",
    "checkbox_border_color_selected": "*primary_700",
}
"""Variables of a Gradio theme, to be set on its base theme."""

CSS = (
    """
.gradio-container { max-width: 1080px !important; width: 100%; margin: 0 auto !important; }
.gradio-container main { width: 100%; max-width: none; padding: 12px 0 24px; }
.gradio-container .html-container { padding: 0; }
.gradio-container .block:has(> .html-container > .prose:empty) { display: none; }
.gradio-container .tab-container { height: auto; }
.gradio-container .tab-container button { font-size: 1rem; padding: 10px 16px; }
.dark .gradio-container .tab-container button.selected { color: var(--primary-400); }
.dark .gradio-container .tab-container button.selected::after { background: var(--primary-400); }
.gradio-container .tabitem { padding: 20px 0 0; border: 0; background: transparent; }
.gradio-container :is(button, a, input[type=checkbox]):focus-visible {
  outline: 2px solid var(--primary-600); outline-offset: 2px; }
.gradio-container .prose { max-width: none; }

.sc-title { display: flex; align-items: baseline; gap: 4px 14px; flex-wrap: wrap; margin: 0 0 6px; }
.sc-title h1 { font-size: 1.6rem; font-weight: 700; letter-spacing: -0.02em; margin: 0; color: var(--body-text-color); }
.sc-title h1 b { color: var(--primary-700); font-weight: 700; }
.dark .sc-title h1 b { color: var(--primary-400); }
.sc-title p { margin: 0; color: var(--body-text-color-subdued); }
.sc-hint { color: var(--body-text-color-subdued); font-size: 0.92rem; line-height: 1.5; margin: 0; }

.sc-scroll { overflow-x: auto; border: 1px solid var(--border-color-primary); border-radius: 12px;
  background: var(--block-background-fill); }
.sc-table { width: 100%; border-collapse: collapse; font-size: 0.93rem; margin: 0; border: 0; }
.gradio-container .sc-table, .gradio-container .sc-table :is(thead, tbody, tr) { border: 0; }
.gradio-container .sc-table :is(th, td) { border: 0; border-bottom: 1px solid var(--border-color-primary); }
.sc-table th { text-align: left; font-weight: 600; color: var(--body-text-color-subdued); font-size: 0.82rem;
  padding: 10px 14px; white-space: nowrap; }
.sc-table td { padding: 10px 14px; white-space: nowrap; color: var(--body-text-color); }
.gradio-container .sc-table tbody tr:last-child td { border-bottom: 0; }
.sc-table td:first-child { font-weight: 500; max-width: 340px; overflow: hidden; text-overflow: ellipsis; }
.sc-table .sc-number { text-align: right; font-variant-numeric: tabular-nums; }

.sc-card { border: 1px solid var(--border-color-primary); border-radius: 12px; padding: 16px 20px;
  background: var(--block-background-fill); }
.sc-card h3 { margin: 0 0 12px; font-size: 1.02rem; font-weight: 650; color: var(--body-text-color); }
.sc-card dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(112px, 1fr)); gap: 12px 20px; margin: 0; }
.sc-card dt { color: var(--body-text-color-subdued); font-size: 0.82rem; }
.sc-card dd { margin: 2px 0 0; font-size: 1.24rem; font-weight: 600; font-variant-numeric: tabular-nums;
  color: var(--body-text-color); }
.sc-card p { margin: 12px 0 0; color: var(--body-text-color); line-height: 1.5; font-size: 0.95rem; }

.sc-notice { display: flex; flex-direction: column; gap: 4px; border-radius: 10px; padding: 12px 16px;
  border: 1px solid var(--border-color-primary); border-left-width: 4px; background: var(--block-background-fill);
  color: var(--body-text-color); line-height: 1.45; overflow-wrap: anywhere; }
.sc-notice strong { font-weight: 600; color: var(--body-text-color); }
.sc-notice span { color: var(--body-text-color-subdued); }
.sc-notice + .sc-scroll, .sc-scroll + .sc-notice, .sc-notice + .sc-notice { margin-top: 12px; }
.sc-info { border-left-color: var(--neutral-400); }
.sc-good { border-left-color: var(--primary-600); }
.sc-bad { border-left-color: #b91c1c; }
.dark .sc-bad { border-left-color: #f87171; }

.sc-progress { border: 1px solid var(--border-color-primary); border-radius: 12px; padding: 16px 20px;
  background: var(--block-background-fill); }
.sc-progress p { display: flex; justify-content: space-between; margin: 0 0 10px; font-weight: 600;
  color: var(--body-text-color); }
.sc-progress p span { font-variant-numeric: tabular-nums; }
.sc-progress ul { display: flex; flex-wrap: wrap; gap: 4px 22px; margin: 10px 0 0; padding: 0; list-style: none;
  color: var(--body-text-color-subdued); font-variant-numeric: tabular-nums; font-size: 0.93rem; min-height: 1.4em; }
.sc-progress li { margin: 0; color: inherit; }
.sc-bar { height: 8px; border-radius: 4px; background: var(--neutral-200); overflow: hidden; }
.dark .sc-bar { background: var(--neutral-800); }
.sc-bar div { height: 100%; border-radius: 4px; background: var(--primary-600); transition: width 0.6s; }
.sc-unsure div { width: 30%; animation: sc-slide 1.6s ease-in-out infinite alternate; }
@keyframes sc-slide { from { margin-left: 0; } to { margin-left: 70%; } }
@media (prefers-reduced-motion: reduce) { .sc-unsure div { animation: none; width: 100%; opacity: 0.4; } }

.sc-chart { margin: 0; border: 1px solid var(--border-color-primary); border-radius: 12px; padding: 14px 16px 10px;
  background: var(--block-background-fill); }
.sc-chart figcaption { display: flex; flex-wrap: wrap; gap: 4px 20px; font-size: 0.88rem; margin: 0 0 8px;
  color: var(--body-text-color-subdued); }
.sc-chart figcaption span::before { content: ""; display: inline-block; width: 14px; height: 3px; border-radius: 2px;
  margin-right: 7px; vertical-align: middle; background: var(--neutral-400); }
.sc-chart figcaption .sc-key-1::before { background: var(--primary-600); }
.sc-chart b { color: var(--body-text-color); font-variant-numeric: tabular-nums; font-weight: 600; }
.sc-chart svg { display: block; width: 100%; height: auto; }
.sc-grid line { stroke: var(--border-color-primary); stroke-width: 1; }
.sc-chart text { fill: var(--body-text-color-subdued); font-size: 13px; }
.sc-chart polyline { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke: var(--neutral-400); }
.sc-chart circle { fill: var(--neutral-400); }
.sc-curve-1 polyline { stroke: var(--primary-600); }
.sc-curve-1 circle { fill: var(--primary-600); }
.sc-narrow { display: none !important; }

.sc-side { display: flex; align-items: center; gap: 8px; margin: 0; flex-wrap: wrap; }
.sc-side h3 { margin: 0; font-size: 1rem; font-weight: 650; color: var(--body-text-color); }
.sc-side small { color: var(--body-text-color-subdued); font-size: 0.86rem; }
.sc-ai { font-size: 0.7rem; font-weight: 700; letter-spacing: 0.04em; border-radius: 5px; padding: 2px 6px;
  background: var(--neutral-200); color: var(--neutral-700); }
.dark .sc-ai { background: var(--neutral-700); color: var(--neutral-200); }
.sc-clone .sc-ai { background: var(--primary-700); color: white; }
.sc-column { gap: 8px !important; }
.sc-chatbot { height: 420px !important; }
.sc-chatbot .icon-button-wrapper { display: none; }
.sc-chatbot .message-row { margin: 0 16px 6px !important; }
.sc-chatbot .message-row:first-child { padding-top: 16px !important; }
.sc-chatbot .bot-row:has(+ .user-row), .sc-chatbot .user-row:has(+ .bot-row) { margin-bottom: 16px !important; }
.sc-chatbot .message { overflow-wrap: anywhere; }
.sc-chatbot .message-content { white-space: pre-wrap; }
.sc-card + .sc-scroll, .sc-scroll + .sc-more, .sc-more + .sc-more { margin-top: 12px; }
.sc-more { border: 1px solid var(--border-color-primary); border-radius: 12px; background: var(--block-background-fill);
  padding: 0 16px; color: var(--body-text-color); }
.sc-more > summary { padding: 12px 0; cursor: pointer; font-weight: 600; font-size: 0.95rem; }
.sc-more > summary:focus-visible { outline: 2px solid var(--primary-600); outline-offset: 2px; border-radius: 6px; }
.sc-more[open] { padding-bottom: 16px; }
.sc-more .sc-scroll + .sc-scroll, .sc-more .sc-notice + .sc-chart { margin-top: 12px; }
.sc-more .sc-table tbody td:first-child { white-space: normal; max-width: none; }
.sc-chart rect { fill: var(--neutral-400); }
.sc-chart .sc-curve-1 rect { fill: var(--primary-600); }
.sc-pending, .sc-filters, .sc-pager, .sc-acts { align-items: center; }
.sc-pending:not(:has(#pairs-bar .sc-notice, #pairs-bar .sc-progress)) { display: none; }
.sc-filters #pairs-changed { padding-top: 46px; }
.sc-unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.sc-told { margin: 0; text-align: center; color: var(--body-text-color-subdued); font-variant-numeric: tabular-nums; }

.sc-table.sc-pairs { display: table; padding: 0; border: 1px solid var(--border-color-primary); border-radius: 12px;
  border-collapse: separate; border-spacing: 0; background: var(--block-background-fill); table-layout: fixed; }
.sc-pairs th:nth-child(1) { width: 23%; }
.sc-pairs th:nth-child(2) { width: 30%; }
.sc-pairs th:nth-child(4) { width: 108px; }
.sc-pairs th:nth-child(7) { width: 106px; }
.sc-table.sc-pairs th { white-space: normal; vertical-align: bottom; padding: 10px; }
.sc-table.sc-pairs td { white-space: normal; padding: 10px; vertical-align: top; overflow-wrap: anywhere; max-width: none;
  font-weight: 400; font-size: 0.88rem; }
.sc-table.sc-pairs td:nth-child(4) { white-space: nowrap; }
.sc-pairs tbody tr { position: relative; }
.sc-pairs tbody tr:hover { background: var(--background-fill-secondary); }
.sc-pairs .sc-open { display: block; width: 100%; text-align: left; font: inherit; color: var(--body-text-color-subdued);
  background: none; border: 0; padding: 0; cursor: pointer; }
.sc-pairs .sc-open::after { content: ""; position: absolute; inset: 0; }
.sc-pairs .sc-open:focus-visible { outline: none; }
.sc-pairs .sc-open:focus-visible::after { outline: 2px solid var(--primary-600); outline-offset: -2px; border-radius: 8px; }
.sc-pairs .sc-act { position: relative; font: inherit; font-size: 0.84rem; padding: 5px 10px; border-radius: 8px;
  border: 1px solid var(--button-secondary-border-color); background: var(--button-secondary-background-fill);
  color: var(--body-text-color); cursor: pointer; white-space: nowrap; }
.sc-pairs .sc-act:hover { background: var(--button-secondary-background-fill-hover); }
.sc-bubbles { display: flex; flex-direction: column; align-items: flex-start; gap: 3px; }
.sc-bubbles span { background: var(--neutral-100); border-radius: 9px; padding: 3px 9px; color: var(--body-text-color); }
.dark .sc-bubbles span { background: var(--neutral-800); }
.sc-bubbles small { color: var(--body-text-color-subdued); padding: 0 9px; }
.sc-gone .sc-bubbles span { text-decoration: line-through; opacity: 0.75; }
.sc-state { display: inline-block; margin-top: 6px; font-size: 0.74rem; font-weight: 600; border-radius: 5px;
  padding: 1px 7px; background: var(--primary-100); color: var(--primary-900); }
.dark .sc-state { background: var(--primary-900); color: var(--primary-100); }

.sc-pair { border: 1px solid var(--border-color-primary); border-radius: 12px; padding: 16px 20px;
  background: var(--block-background-fill); }
.sc-notice + .sc-pair { margin-top: 12px; }
.sc-pair h3 { margin: 0 0 12px; font-size: 1.02rem; font-weight: 650; color: var(--body-text-color); }
.sc-pair h3:focus-visible { outline: 2px solid var(--primary-600); outline-offset: 4px; border-radius: 4px; }
.sc-pair dl { display: flex; flex-wrap: wrap; gap: 8px 26px; margin: 0; }
.sc-pair dt { color: var(--body-text-color-subdued); font-size: 0.8rem; }
.sc-pair dd { margin: 1px 0 0; font-size: 0.92rem; font-weight: 500; color: var(--body-text-color); overflow-wrap: anywhere; }
.sc-legend { margin: 14px 0 10px; font-size: 0.9rem; color: var(--body-text-color-subdued); }
.sc-legend mark { background: #bbf7d0; color: #14532d; border-radius: 4px; padding: 1px 6px; font-weight: 600; }
.sc-turns { display: flex; flex-direction: column; gap: 8px; }
.sc-turn { max-width: 84%; align-self: flex-start; border-radius: 12px; padding: 8px 13px; overflow-wrap: anywhere;
  background: var(--neutral-100); border: 1px solid transparent; }
.dark .sc-turn { background: var(--neutral-800); }
.sc-mine { align-self: flex-end; }
.sc-turn b { font-size: 0.8rem; font-weight: 600; color: var(--body-text-color); }
.sc-turn small { margin-left: 8px; font-size: 0.76rem; color: var(--body-text-color-subdued); }
.sc-turn p { margin: 3px 0 0; line-height: 1.45; color: var(--body-text-color-subdued); }
.sc-loss { background: #dcfce7; border-color: #86efac; }
.dark .sc-loss { background: #14432a; border-color: #2f855a; }
.sc-loss :is(b, p) { color: #14532d; }
.dark .sc-loss :is(b, p) { color: #dcfce7; }
.sc-loss small { color: #166534; }
.dark .sc-loss small { color: #a7f3d0; }
.sc-pair .sc-more { margin-top: 12px; }
.sc-turns .sc-more { margin-top: 0; }
.sc-original { white-space: pre-wrap; margin: 0; overflow-wrap: anywhere; }
.gradio-container button.sc-go { width: auto !important; align-self: flex-start; min-width: 220px; flex-grow: 0; }
.sc-ask { align-items: stretch; }
/* Gradio puts its own prefix before these selectors; naming its container here would match nothing. */
@media (max-width: 640px) {
  main { padding: 0 0 12px !important; }
  .tab-container button { padding: 10px 2px !important; font-size: 0.76rem !important; }
  button.sc-go { min-width: 130px !important; flex-grow: 1 !important; align-self: stretch !important; }
  .sc-chatbot { height: 31vh !important; min-height: 200px; }
  .sc-card, .sc-progress { padding: 14px 16px; }
  .sc-table th { white-space: normal; }
  .sc-table.sc-pairs, .sc-pairs tbody { display: block; }
  .sc-pairs tbody tr { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; }
  .sc-pairs thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .sc-pairs tbody tr { padding: 12px 14px; border-bottom: 1px solid var(--border-color-primary) !important; }
  .sc-pairs tbody tr:last-child { border-bottom: 0 !important; }
  .sc-table.sc-pairs td { padding: 0; border: 0 !important; flex: 0 0 auto; max-width: 100%; font-size: 0.82rem;
    color: var(--body-text-color-subdued); }
  .sc-table.sc-pairs td:first-child { flex-basis: 100%; font-size: 0.9rem; }
  .sc-table.sc-pairs td:nth-child(2) { flex-basis: 100%; font-size: 0.9rem; }
  .sc-table.sc-pairs td:last-child { margin-left: auto; }
  .sc-table.sc-pairs td:empty { display: none; }
  #pairs-overview .sc-table td:first-child { white-space: normal; min-width: 128px; }
  .sc-filters #pairs-changed { padding-top: 10px; }
  .sc-pair { padding: 14px 16px; }
  .sc-pending { flex-direction: column; align-items: stretch; }
  .sc-pending #pairs-bar { flex: 0 0 auto; width: 100%; }
  .sc-turn { max-width: 94%; }
  .sc-wide { display: none !important; }
  .sc-narrow { display: block !important; }
}
"""
    + TRAIN_CSS
    + VOTE_CSS
)
