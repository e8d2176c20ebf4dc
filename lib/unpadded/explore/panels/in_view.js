// Says which of the map's names most documents in view have, at each scale.
const WHOLE = 0.7; // of a map's width and height in view, from which on it is seen whole

function render({ model, el }) {
  const line = document.createElement("div");
  line.className = "unpadded-in-view";
  line.setAttribute("aria-live", "polite");
  el.style.display = "none";
  let view = null;

  const most = (scale, [left, bottom, right, top]) => {
    const [lowX, lowY, highX, highY] = model.get("limits");
    const side = model.get("side");
    const column = (x) => Math.floor(((x - lowX) / (highX - lowX || 1)) * side);
    const row = (y) => Math.floor(((y - lowY) / (highY - lowY || 1)) * side);
    const found = new Map();
    let all = 0;
    for (const [cell, name, documents] of counts[scale] || []) {
      const x = cell % side;
      const y = Math.floor(cell / side);
      if (x < column(left) || x > column(right) || y < row(bottom) || y > row(top)) continue;
      all += documents;
      if (name >= 0) found.set(name, (found.get(name) || 0) + documents);
    }
    const best = [...found].sort((one, other) => other[1] - one[1])[0];
    const isWhole = right - left > WHOLE * (highX - lowX) && top - bottom > WHOLE * (highY - lowY);
    return best && best[1] >= all * (isWhole ? 0.5 : 0.2) ? model.get("names")[scale][best[0]] : "";
  };
  const say = () => {
    const names = view ? model.get("names").map((_, scale) => most(scale, view)) : [];
    const said = [...new Set(names.filter(Boolean))].join(" › ");
    if (line.textContent !== said) line.textContent = said;
    line.style.display = said ? "" : "none";
  };
  let counts = [];
  const read = () => {
    const bytes = model.get("counts");
    const at = (place) => bytes.getInt32(4 * place, true);
    counts = [];
    for (let place = 0; bytes && 4 * place < bytes.byteLength; place += 4) {
      (counts[at(place)] ??= []).push([at(place + 1), at(place + 2), at(place + 3)]);
    }
    say();
  };
  const moved = ({ xScale, yScale }) => {
    if (!xScale || !yScale) return;
    const [x, y] = [xScale.domain(), yScale.domain()];
    view = [Math.min(...x), Math.min(...y), Math.max(...x), Math.max(...y)];
    say();
  };
  read();
  model.on("change:counts", read);
  const end = followView(el, (_, map) => map.append(line), moved);
  return () => {
    end();
    model.off("change:counts", read);
    line.remove();
  };
}

export default { render };
