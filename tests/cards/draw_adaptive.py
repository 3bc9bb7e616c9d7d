"""Draws every golden Adaptive Card with Microsoft's own renderer, to be looked at; prints what the renderer warns of.

The renderer is no part of this repository. To get it: `npm install adaptivecards@3.0.6 swiper@8 markdown-it@14` in a
folder outside; then `python tests/cards/draw_adaptive.py FOLDER/node_modules OUT` writes OUT/cards-600.html and .png
and the same for a telephone (360), with the `chromium` of the PATH.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"
WIDTHS = (600, 360)
#: What Teams makes of a card, as far as a host configuration can say it.
HOST = {
    "fontFamily": "Segoe UI, Noto Sans, DejaVu Sans, sans-serif",
    "spacing": {"small": 8, "default": 12, "medium": 16, "large": 24, "extraLarge": 32, "padding": 16},
    "supportsInteractivity": True,
    "containerStyles": {"emphasis": {"backgroundColor": "#F0F0F0"}},
    "actions": {"maxActions": 6, "buttonSpacing": 8, "actionsOrientation": "horizontal", "actionAlignment": "left"},
}  # fmt: skip
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ font-family: sans-serif; margin: 8px; width: {width}px }}
h2 {{ font-size: 12px; color: #888; margin: 16px 0 2px }}
.card {{ border: 1px solid #ccc; border-radius: 6px }} .at {{ color: #5b5fc7 }}
.ac-pushButton {{ border: 1px solid #bbb; border-radius: 4px; background: #fff; padding: 5px 12px; font-size: 14px }}
.ac-pushButton.style-positive {{ background: #5b5fc7; color: #fff }}
.ac-pushButton.style-destructive {{ color: #c4314b; border-color: #c4314b }}
.ac-input {{ width: 100%; box-sizing: border-box; padding: 5px; font: inherit; border: 1px solid #bbb }}
</style><body><script>{renderer}</script><script>{markdown}</script><script>
const cards = {cards}, found = [], markdown = markdownit();
let called = [];
AdaptiveCards.AdaptiveCard.onProcessMarkdown = (text, result) => {{
  let html = markdown.render(text);
  for (const one of called)
    html = html.replaceAll(markdown.utils.escapeHtml(one.text), `<span class="at">${{one.mentioned.name}}</span>`);
  result.outputHtml = html; result.didProcess = true;
}};
for (const [name, source] of Object.entries(cards)) {{
  called = (source.msteams || {{}}).entities || [];
  const context = new AdaptiveCards.SerializationContext(), card = new AdaptiveCards.AdaptiveCard();
  card.hostConfig = new AdaptiveCards.HostConfig({host});
  card.parse(source, context);
  for (let i = 0; i < context.eventCount; i++) found.push(name + ": " + context.getEventAt(i).message);
  for (const event of card.validateProperties().validationEvents) found.push(name + ": " + event.message);
  const frame = document.createElement("div");
  frame.className = "card";
  frame.appendChild(card.render());
  document.body.insertAdjacentHTML("beforeend", "<h2>" + name + "</h2>");
  document.body.appendChild(frame);
  if (frame.scrollWidth > frame.clientWidth + 1) found.push(name + ": wider than the screen");
}}
const pre = document.createElement("pre");
pre.id = "found"; pre.hidden = true; pre.textContent = JSON.stringify({{found, height: document.body.scrollHeight}});
document.body.appendChild(pre);
</script>"""


def chromium(*arguments: str) -> str:
    """What the browser prints."""
    browser = shutil.which("chromium")
    if browser is None:
        sys.exit("There is no chromium on the PATH.")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def draw(modules: Path, out: Path, width: int) -> list[str]:
    """Writes page and picture; what the renderer warned of."""
    files = sorted(GOLDEN.glob("*.adaptive.json"))
    cards = {file.name.split(".")[0]: json.loads(file.read_text(encoding="utf-8")) for file in files}
    html = PAGE.format(
        width=width, host=json.dumps(HOST), cards=json.dumps(cards).replace("</", "<\\/"),
        renderer=(modules / "adaptivecards/dist/adaptivecards.min.js").read_text(encoding="utf-8"),
        markdown=(modules / "markdown-it/dist/markdown-it.min.js").read_text(encoding="utf-8"),
    )  # fmt: skip
    page = out / f"cards-{width}.html"
    page.write_text(html, encoding="utf-8")
    dumped = chromium("--dump-dom", page.as_uri())
    said = re.search(r'<pre id="found"[^>]*>(.*?)</pre>', dumped, re.DOTALL)
    if said is None:
        sys.exit("The renderer did not come to its end; open the page in a browser and look at its console.")
    report = json.loads(said[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    size = f"--window-size={width + 16},{report['height'] + 40}"
    chromium(size, f"--screenshot={out / f'cards-{width}.png'}", page.as_uri())
    return [f"{width} px: {one}" for one in report["found"]]


def main() -> None:
    """Draw at every width; fails when the renderer warned of anything."""
    modules, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    out.mkdir(parents=True, exist_ok=True)
    found = [warning for width in WIDTHS for warning in draw(modules, out, width)]
    sys.stdout.write(("\n".join(found) or f"No warnings; the pictures are in {out.name}/.") + "\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
