// While a map of very many documents is moved or zoomed, only some of them are drawn; all of them again as soon as it rests.
// jupyter-scatter keeps what draws a map on an element of the map's box.
const MAP = ".unpadded-map";
const PATIENCE = 200; // milliseconds between looks for a map that is not drawn yet
const REST = 300; // milliseconds without a move, after which the map is at rest
const QUIETLY = { preventEvent: true }; // so that Python does not take it for a filter or a selection of the reader's

function render({ model, el }) {
  let drawing = null;
  let listening = null;
  let before = null; // what was shown and selected, while only some of it is
  let timer = 0;

  const thin = () => {
    const shown = drawing.get("filteredPoints"); // all of them where nothing is filtered
    const most = model.get("most");
    if (shown.length <= most) return;
    before = {
      filtered: shown.length < drawing.get("points").length ? shown : null,
      selected: drawing.get("selectedPoints"),
    };
    const step = Math.ceil(shown.length / most);
    const some = shown.sort((one, other) => one - other).filter((_, place) => place % step === 0);
    drawing.filter(some, QUIETLY);
  };
  const whole = () => {
    if (!before) return;
    const { filtered, selected } = before;
    before = null;
    if (filtered) drawing.filter(filtered, QUIETLY);
    else drawing.unfilter(QUIETLY);
    if (selected.length) drawing.select(selected, QUIETLY);
  };
  const moved = () => {
    if (!before) thin();
    clearTimeout(timer);
    timer = setTimeout(whole, REST);
  };
  const look = () => {
    const map = el.closest(MAP);
    const holder = map && [...map.querySelectorAll("*")].find((element) => element.api?.subscribe);
    if (!holder || holder.api === drawing) return;
    drawing = holder.api;
    before = null;
    listening = drawing.subscribe("view", moved);
  };
  el.style.display = "none";
  const looking = setInterval(look, PATIENCE);
  return () => {
    clearInterval(looking);
    clearTimeout(timer);
    whole();
    if (drawing && listening) drawing.unsubscribe(listening);
  };
}

export default { render };
