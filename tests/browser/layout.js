// What a reader would call a broken layout, as a list of sentences; empty when nothing is wrong.
// Each line of each text is a rectangle: it must lie on the page, inside whatever clips it, and on no other text.
() => {
  const wrong = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) {
    wrong.push(`the page scrolls sideways: ${document.documentElement.scrollWidth} in ${width}`);
  }
  const lines = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const words = node.data.trim();
    if (!words || node.parentElement.closest(".skip")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      if (box.width >= 1 && box.height >= 1) lines.push({ words, box, parent: node.parentElement });
    }
  }
  const inside = (box, outer) =>
    box.left >= outer.left - 1 && box.right <= outer.right + 1 && box.top >= outer.top - 1 && box.bottom <= outer.bottom + 1;
  for (const { words, box, parent } of lines) {
    if (box.left < -1 || box.right > width + 1) wrong.push(`beside the page: ${words}`);
    const block = parent.closest("p, li, h1, h2, h3, th, td, caption, dt, dd, .button");
    if (block && !inside(box, block.getBoundingClientRect())) wrong.push(`out of its block: ${words}`);
    for (let outer = parent; outer !== document.documentElement; outer = outer.parentElement) {
      const style = getComputedStyle(outer);
      if (style.overflow !== "visible" && !inside(box, outer.getBoundingClientRect())) wrong.push(`cropped: ${words}`);
      if (style.textOverflow === "ellipsis") wrong.push(`may be shortened: ${words}`);
    }
  }
  lines.forEach((one, index) => {
    for (const other of lines.slice(index + 1)) {
      const across = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
      const down = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
      if (across > 1 && down > 1.5) wrong.push(`on one another: ${one.words} | ${other.words}`);
    }
  });
  if (lines.length < 5) wrong.push(`only ${lines.length} lines of text were found`);
  return wrong;
};
