// The wheel over a map scrolls the page, as it does everywhere else; it zooms a map that was clicked, until the pointer
// leaves it, and any map while Ctrl (on a Mac also Command) is held, which is what a pinch on a touchpad sends.
const MAP = ".unpadded-map";
const SAID_FOR = 1500; // milliseconds that the hint stays

function render({ el }) {
  const ends = new AbortController();
  const listen = (name, then) => document.addEventListener(name, then, { capture: true, passive: true, signal: ends.signal });
  const mapOf = (event) => (event.target instanceof Element ? event.target.closest(MAP) : null);
  let active = null;
  let timer = 0;

  const activate = (map) => {
    active?.classList.remove("unpadded-zooms");
    active = map;
    active?.classList.add("unpadded-zooms");
    active?.classList.remove("unpadded-scrolls");
  };
  const hint = (map) => {
    clearTimeout(timer);
    document.querySelectorAll(`${MAP}.unpadded-scrolls`).forEach((other) => other.classList.remove("unpadded-scrolls"));
    map.classList.add("unpadded-scrolls");
    timer = setTimeout(() => map.classList.remove("unpadded-scrolls"), SAID_FOR);
  };

  listen("pointerdown", (event) => activate(mapOf(event)));
  listen("pointermove", (event) => {
    // With a button down a lasso or a move is under way, which may leave the map and come back.
    if (active && !event.buttons && mapOf(event) !== active) activate(null);
  });
  listen("wheel", (event) => {
    const map = mapOf(event);
    if (!map || map === active || event.ctrlKey || event.metaKey) return;
    event.stopPropagation(); // the map does not hear of it, so the browser scrolls
    hint(map);
  });
  el.style.display = "none";
  return () => {
    clearTimeout(timer);
    ends.abort();
  };
}

export default { render };
