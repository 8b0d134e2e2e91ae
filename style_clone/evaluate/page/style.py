"""The page's looks: system fonts, light and dark, on a desk, on a phone and on paper."""

from __future__ import annotations

_LIGHT = """--paper: #fafaf9; --card: #ffffff; --ink: #1c1917; --soft: #57534e; --line: #e7e5e4; --level: #8c857f;
  --clone: #0f766e; --clone-soft: #ccfbf1; --prompt: #b45309; --prompt-soft: #fef3c7; --other: #78716c;
  --other-soft: #f5f5f4; --good: #0f766e; --bad: #b91c1c; --bad-soft: #fee2e2; --beyond: rgb(124 58 237 / 0.09);
  --beyond-ink: #6d28d9;"""
_DARK = """--paper: #0c0a09; --card: #1c1917; --ink: #f5f5f4; --soft: #b5aea8; --line: #35302c; --level: #7a736d;
  --clone: #2dd4bf; --clone-soft: #134e4a; --prompt: #fbbf24; --prompt-soft: #4d2f0a; --other: #a8a29e;
  --other-soft: #292524; --good: #2dd4bf; --bad: #f87171; --bad-soft: #4c1414; --beyond: rgb(167 139 250 / 0.14);
  --beyond-ink: #c4b5fd;"""

_COLOURS = """
:root { color-scheme: light dark; LIGHT }
@media (prefers-color-scheme: dark) { :root { DARK } }
"""

_BASE = """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.55; font-size: 16px;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; overflow-wrap: anywhere; }
main { max-width: 1000px; margin: 0 auto; padding: 28px 24px 0; }
footer { max-width: 1000px; margin: 0 auto; padding: 8px 24px 48px; color: var(--soft); font-size: 0.88rem; }
h1, h2, p, ul, ol, dl, dd { margin: 0; }
h1 { font-size: clamp(1.5rem, 1.1rem + 1.7vw, 2.2rem); line-height: 1.22; letter-spacing: -0.02em; font-weight: 700;
  text-wrap: balance; }
h2 { font-size: 1.32rem; letter-spacing: -0.012em; line-height: 1.3; font-weight: 680; }
h3 { font-size: 1.02rem; font-weight: 650; margin: 30px 0 8px; line-height: 1.35; }
small { font-size: 0.84rem; color: var(--soft); }
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.86em; }
a { color: inherit; text-underline-offset: 3px; text-decoration-thickness: 1px; }
a:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 2px solid var(--clone); outline-offset: 3px;
  border-radius: 4px; }
.term { text-decoration-line: underline; text-decoration-style: dotted; text-decoration-color: var(--level); }
.term:hover, .how:hover { text-decoration-style: solid; text-decoration-color: currentColor; }
.aside { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 12px; top: 12px; background: var(--card); padding: 8px 14px; border-radius: 8px; z-index: 1; }
section { margin-top: 20px; background: var(--card); border: 1px solid var(--line); border-radius: 16px;
  padding: 26px 30px 28px; position: relative; }
.head { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: 2px 16px; }
.how { font-size: 0.84rem; color: var(--soft); }
.lead { color: var(--soft); margin-top: 6px; max-width: 70ch; }
.hint { color: var(--soft); font-size: 0.92rem; }
.nothing { color: var(--soft); background: var(--other-soft); border-radius: 10px; padding: 12px 16px; margin-top: 14px;
  font-size: 0.95rem; }
.note { border-left: 4px solid var(--prompt); background: var(--prompt-soft); border-radius: 0 10px 10px 0;
  padding: 11px 16px; margin-top: 16px; font-size: 0.95rem; }
"""

_TOP = """
.verdict { border-radius: 18px; padding: 30px 32px 28px; background: var(--card); border: 1px solid var(--line);
  border-top: 6px solid var(--other); }
.verdict.good { border-top-color: var(--clone); } .verdict.bad { border-top-color: var(--bad); }
.verdict.prompt, .verdict.open { border-top-color: var(--prompt); }
.kicker { color: var(--soft); font-size: 0.9rem; display: flex; flex-wrap: wrap; gap: 0 7px; }
.badges { display: flex; flex-wrap: wrap; gap: 8px; margin: 18px 0 14px; align-items: center; }
.code { text-decoration: none; font-weight: 650; font-size: 0.95rem; border-radius: 999px; padding: 5px 16px 5px 13px;
  background: var(--other-soft); color: var(--ink); border: 1px solid transparent; }
.code b { margin-right: 3px; }
.good .code { background: var(--clone-soft); color: var(--ink); } .bad .code { background: var(--bad-soft); }
.prompt .code, .open .code { background: var(--prompt-soft); }
.code:hover { border-color: currentColor; }
.badge { display: inline-block; font-size: 0.74rem; font-weight: 650; border-radius: 5px; padding: 1px 7px;
  background: var(--other-soft); color: var(--soft); white-space: nowrap; line-height: 1.5; }
.badge.label { font-size: 0.84rem; border-radius: 999px; padding: 4px 13px; font-weight: 550; background: none;
  border: 1px dashed var(--level); color: var(--ink); }
.badge.clone { background: var(--clone-soft); color: var(--ink); }
.badge.prompted { background: var(--prompt-soft); color: var(--ink); }
.next { margin-top: 16px; max-width: 72ch; }
.limits { list-style: none; padding: 0; margin-top: 12px; color: var(--soft); font-size: 0.92rem; }
.limits b { color: var(--ink); font-weight: 600; }
.tiles { list-style: none; padding: 0; margin-top: 14px; display: grid; gap: 14px;
  grid-template-columns: repeat(4, minmax(0, 1fr)); }
.tiles > li { background: var(--card); border: 1px solid var(--line); border-radius: 16px; padding: 16px 20px 15px; }
.tiles h2 { font-size: 0.9rem; font-weight: 600; color: var(--soft); letter-spacing: 0; }
.big { font-size: 1.95rem; line-height: 1.2; font-weight: 680; letter-spacing: -0.02em; color: var(--clone); margin-top: 5px;
  font-variant-numeric: tabular-nums; }
.big.none { color: var(--soft); } .big .who { font-size: 0.95rem; font-weight: 600; letter-spacing: 0; }
.against { color: var(--prompt); font-weight: 600; font-size: 0.95rem; font-variant-numeric: tabular-nums; }
.unit { color: var(--soft); font-size: 0.82rem; margin-top: 4px; line-height: 1.35; }
.checks { list-style: none; padding: 0; margin-top: 8px; display: grid; gap: 2px; }
.checks .outcome { display: block; white-space: normal; padding-left: 1.4em; text-indent: -1.4em; }
.checks .outcome b { text-indent: 0; }
.outcome { font-weight: 600; font-size: 0.92rem; white-space: nowrap; color: var(--soft); }
.outcome b { display: inline-block; width: 1.15em; }
.outcome.pass { color: var(--good); } .outcome.fail { color: var(--bad); }
h3 .outcome { margin-left: 8px; }
#why ul { padding-left: 1.15em; margin-top: 8px; display: grid; gap: 5px; max-width: 78ch; }
#why li::marker { color: var(--level); }
#why > .note:first-child { margin-top: 0; }
"""

_PLOTS = """
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; color: var(--soft); font-size: 0.88rem; margin-top: 16px; }
.legend span { display: inline-flex; align-items: center; gap: 7px; }
.strips { width: 100%; border-collapse: collapse; table-layout: fixed; margin-top: 12px; }
.strips th { text-align: left; font-weight: 550; padding: 0; }
.strips thead th { font-size: 0.84rem; color: var(--soft); font-weight: 500; vertical-align: bottom; }
.strips .name { width: 29%; padding: 8px 14px 8px 0; line-height: 1.35; }
.strips .value { width: 17%; padding: 8px 0 8px 16px; line-height: 1.35; font-variant-numeric: tabular-nums; }
.strips :is(.name, .value) small { display: block; font-weight: 400; }
.strips .name .badge { margin-left: 7px; vertical-align: 1px; }
.strips .value b { font-size: 1.08rem; font-weight: 650; }
.strips tbody tr { border-top: 1px solid var(--line); }
.strips td.picture { position: relative; padding: 0; height: 52px; }
.strips td.picture > svg { position: absolute; inset: 0; height: 100%; }
.strips th.picture { line-height: 0; } .strips th.picture .ends { line-height: 1.5; }
.strips .clone .value b { color: var(--clone); } .strips .prompted .value b { color: var(--prompt); }
.strips .over { color: var(--beyond-ink); } .strips .best { color: var(--clone); font-weight: 600 !important; }
.strips .said { font-size: 0.9rem; } .strips .said b { display: block; font-size: inherit; }
.strips q { display: block; font-weight: 400; font-size: 0.88rem; color: var(--soft); margin-top: 2px; quotes: "“" "”"; }
#habits .strips:not(:last-of-type) .value { width: 31%; } #habits .strips .said { line-height: 1.4; display: block; }
.ends { display: flex; justify-content: space-between; padding: 0 3%; font-weight: 500; }
svg { display: block; overflow: hidden; } svg.along { overflow: visible; }
svg text { fill: var(--soft); font-size: 13px; font-family: inherit; font-weight: 500; paint-order: stroke;
  stroke: var(--card); stroke-width: 4px; stroke-linejoin: round; }
svg text.beyond { fill: var(--beyond-ink); stroke: none; }
svg .level { stroke: var(--level); stroke-width: 1; stroke-dasharray: 3 3; }
svg rect.beyond { fill: var(--beyond); }
svg .whisker { stroke: var(--other); stroke-width: 3; stroke-linecap: round; }
svg .whisker.clone { stroke: var(--clone); stroke-width: 4; }
svg .whisker.prompted { stroke: var(--prompt); stroke-width: 4; }
svg.mark { overflow: visible; fill: var(--other); }
svg.mark > * { stroke: var(--card); stroke-width: 1.5; paint-order: stroke; }
svg.mark.clone { fill: var(--clone); } svg.mark.prompted { fill: var(--prompt); }
svg.mark.other > circle { fill: var(--card); stroke: var(--other); stroke-width: 2.2; }
svg.mark.author { fill: var(--ink); }
svg .bar { fill: var(--other); } svg .bar.clone { fill: var(--clone); } svg .bar.prompted { fill: var(--prompt); }
svg .range { stroke: var(--ink); stroke-width: 1.6; }
svg .halo { stroke: var(--card); stroke-width: 5; stroke-linecap: square; }
"""

_REST = """
.scroll { overflow-x: auto; margin-top: 12px; }
table.plain { border-collapse: collapse; width: 100%; font-size: 0.93rem; font-variant-numeric: tabular-nums;
  overflow-wrap: normal; }
.interval { white-space: nowrap; }
.scroll :is(tbody th, thead th:first-child) { position: sticky; left: 0; background: var(--card); }
.plain :is(th, td) { text-align: right; padding: 8px 0 8px 18px; border-bottom: 1px solid var(--line); font-weight: 400;
  vertical-align: top; }
.plain :is(th, td):first-child { text-align: left; padding-left: 0; }
.plain tbody th { font-weight: 500; } .plain thead th { color: var(--soft); font-size: 0.84rem; font-weight: 500; }
.plain tbody tr:last-child :is(th, td) { border-bottom: 0; }
.plain .badge { margin-left: 6px; } .plain small { display: block; font-weight: 400; }
.difference { margin-top: 14px; } .gate { max-width: 78ch; } .gate .outcome { margin-right: 6px; }
.guardrail + .guardrail { border-top: 1px solid var(--line); margin-top: 18px; }
.guardrail h3 { margin-top: 18px; } .guardrail .plain :is(th, td):not(:first-child) { width: 17%; }
details { margin-top: 20px; border: 1px solid var(--line); border-radius: 10px; padding: 10px 16px; }
summary { cursor: pointer; font-weight: 550; font-size: 0.95rem; }
details .plain { min-width: 850px; font-size: 0.86rem; } details .plain tbody th { min-width: 130px; }
details .plain :is(th, td):not(:first-child) { padding-left: 10px; }
.examples { list-style: none; padding: 0; margin-top: 18px; display: grid; gap: 26px; }
.asked { display: inline-block; background: var(--other-soft); border-radius: 14px 14px 14px 4px; padding: 8px 15px;
  max-width: 80%; white-space: pre-wrap; }
.replies { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 10px; margin-top: 10px; }
.reply { border: 1px solid var(--line); border-radius: 12px; padding: 10px 14px 12px; min-width: 0; }
.examples h3 { font-size: 0.84rem; font-weight: 500; color: var(--soft); margin: 0 0 5px; }
.reply h4 { font-size: 0.8rem; font-weight: 600; color: var(--soft); margin: 0 0 3px; }
.reply p { white-space: pre-wrap; line-height: 1.45; font-size: 0.96rem; }
.reply.author { border: 2px solid var(--ink); padding: 9px 13px 11px; } .reply.author h4 { color: var(--ink); }
.reply.clone { border-color: var(--clone); } .reply.clone h4 { color: var(--clone); }
.reply.prompted { border-color: var(--prompt); } .reply.prompted h4 { color: var(--prompt); }
.reply.plain p { color: var(--soft); }
.said-nothing { color: var(--soft); font-style: italic; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 14px 22px; margin-top: 16px; }
.figures dt { color: var(--soft); font-size: 0.86rem; } .figures dd { font-size: 1.3rem; font-weight: 650; }
.meanings { margin-top: 16px; display: grid; gap: 14px; }
.meanings > div { display: grid; grid-template-columns: 220px 1fr; gap: 2px 24px; }
.meanings dt { font-weight: 600; font-size: 0.95rem; }
.meanings dd { font-size: 0.93rem; color: var(--soft); max-width: 74ch; }
.meanings span:target { background: var(--clone-soft); box-shadow: 0 0 0 5px var(--clone-soft); border-radius: 3px; }
.meanings span { scroll-margin-top: 24px; }
#methods .plain td { text-align: left; white-space: normal; overflow-wrap: anywhere; } #methods .plain th { width: 35%; }
"""

_NARROW = """
@media (max-width: 680px) {
  main { padding: 14px 12px 0; } footer { padding: 8px 20px 36px; }
  section { padding: 20px 18px 22px; border-radius: 14px; } .verdict { padding: 22px 18px; }
  .tiles { grid-template-columns: 1fr 1fr; gap: 10px; } .tiles > li { padding: 13px 14px; } .big { font-size: 1.6rem; }
  .strips, .strips tbody, .strips thead { display: block; }
  .strips tr { display: grid; grid-template-columns: minmax(0, 1fr) auto;
    grid-template-areas: "name value" "picture picture"; }
  .strips thead tr { display: flex; flex-direction: column; } .strips thead :is(.name, :empty) { display: none; }
  .strips thead .value { order: -1; text-align: left; padding: 0 0 6px; }
  .strips :is(.name, .value), #habits .strips .value { width: auto !important; padding: 8px 0 0; }
  .strips .value { text-align: right; padding-left: 14px; } .strips .name { grid-area: name; }
  .strips .value { grid-area: value; } .strips td.picture { grid-area: picture; display: block; height: 40px; }
  #habits .strips:not(:last-of-type) tr { grid-template-areas: "name name" "value value" "picture picture"; }
  #habits .strips:not(:last-of-type) .value { text-align: left; padding-left: 0; }
  .strips .name .badge { margin-left: 5px; } .strips .value small { max-width: 130px; margin-left: auto; }
  .asked { max-width: 94%; } .replies { grid-template-columns: 1fr; }
  .meanings > div { grid-template-columns: 1fr; } .plain { font-size: 0.88rem; }
  .plain .outcome { white-space: normal; }
  .plain :is(th, td) { padding-left: 10px; } #methods .plain th { width: 45%; }
  .guardrail .plain :is(th, td):not(:first-child) { width: auto; } .guardrail .interval { white-space: normal; }
}
"""

_PAPER = """
@page { size: A4; margin: 14mm 13mm; }
@media print {
  :root { color-scheme: light; LIGHT --paper: #ffffff; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  html { font-size: 12.5px; } body { font-size: 1rem; orphans: 3; widows: 3; }
  main { max-width: none; padding: 0; } footer { padding: 8px 0 0; }
  section, .verdict { padding: 14px 16px; break-inside: auto; }
  h2, h3, .head, .lead, .legend, .hint { break-after: avoid; break-inside: avoid; }
  svg text { font-size: 11px; } .replies { grid-template-columns: repeat(4, 1fr); }
  .strips, tr, .guardrail, .examples > li, .tiles > li, .meanings > div, .figures, .note, .gate, section > .scroll {
    break-inside: avoid; }
  .how, .skip { display: none; } .term, .code { text-decoration: none; }
  details::details-content { content-visibility: visible; block-size: auto; }
  details .plain { min-width: 0; font-size: 6.4pt; }
  details .plain :is(small, thead th) { font-size: inherit; } details .interval { white-space: normal; }
  details .plain tbody th { min-width: 0; } details .plain :is(th, td):not(:first-child) { padding-left: 6px; }
  .scroll { overflow: visible; }
}
"""


def _sheet(*parts: str) -> str:
    return "".join([_COLOURS, *parts]).replace("LIGHT", _LIGHT).replace("DARK", _DARK)


CSS = _sheet(_BASE, _TOP, _PLOTS, _REST, _NARROW, _PAPER)
"""The whole style sheet."""
PLOTS_CSS = _sheet(_PLOTS)
"""That of a plot which stands alone."""
