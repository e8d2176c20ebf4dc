// Before the code of a widget that stands in the box of a map: what draws the map, and the view of it. jupyter-scatter keeps
// both on an element of that box, which comes and goes.
const MAP = ".unpadded-map";
const PATIENCE = 200; // milliseconds between looks for a map that is not drawn yet

// Calls `found(drawing, map)` for the map in whose box `el` stands once it is drawn, and again where it is drawn anew, and
// `moved(view)` when it is moved or zoomed; returns what ends that.
const followView = (el, found, moved) => {
  let drawing = null;
  let listening = null;
  const look = () => {
    const map = el.closest(MAP);
    const holder = map && [...map.querySelectorAll("*")].find((element) => element.api?.subscribe);
    if (!holder || holder.api === drawing) return;
    drawing = holder.api;
    listening = drawing.subscribe("view", moved);
    found(drawing, map);
  };
  const timer = setInterval(look, PATIENCE);
  return () => {
    clearInterval(timer);
    if (drawing && listening) drawing.unsubscribe(listening);
  };
};

