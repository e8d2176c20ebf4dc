// While one moves a map of many documents, some of them are drawn, and all again once it rests: what a frame takes grows with
// the points. Selections and filters are those of before, unless something else has changed them meanwhile.
const REST = 300; // milliseconds without a move

const thinned = (points, most) => {
  const stride = Math.ceil(points.length / most);
  return stride < 2 ? points : points.filter((_, place) => place % stride === 0);
};

function render({ model, el }) {
  el.style.display = "none";
  let drawing = null;
  let moving = null; // what is drawn now, and what was drawn and selected before
  let resting = 0;

  const rest = () => {
    const { some, kept, filter, selected } = moving;
    moving = null;
    const same = (name, points) => drawing.get(name).length === points.length;
    if (!drawing.get("isPointsFiltered") || !same("filteredPoints", some)) return; // a filter was set meanwhile
    const unchanged = same("selectedPoints", kept);
    if (filter) drawing.filter(filter, { preventEvent: true });
    else drawing.unfilter({ preventEvent: true });
    if (unchanged && selected.length) drawing.select(selected, { preventEvent: true });
  };
  const move = () => {
    clearTimeout(resting);
    if (!moving) {
      const all = drawing.get("filteredPoints");
      const most = model.get("most");
      if (all.length <= most) return;
      // From everywhere, for what comes into view, and from what is in view.
      const points = new Set([...thinned(all, most / 2), ...thinned(drawing.get("pointsInView"), most / 2)]);
      const some = [...points].sort((one, other) => one - other);
      const selected = drawing.get("selectedPoints");
      const kept = selected.filter((point) => points.has(point));
      moving = { some, kept, selected, filter: drawing.get("isPointsFiltered") ? all : null };
      drawing.filter(some, { preventEvent: true });
    }
    resting = setTimeout(rest, REST);
  };
  const found = (now) => {
    clearTimeout(resting);
    moving = null;
    drawing = now;
    fitToMaps(drawing.get("renderer"));
  };
  const end = followView(el, found, move);
  return () => {
    end();
    clearTimeout(resting);
  };
}

export default { render };
