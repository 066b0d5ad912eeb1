"use strict";
// A map of places, drawn by Leaflet: coasts and a grid of degrees, or tiles. All names go into it as text.

const MOST_OVERVIEW = 4, MOST_NEAR = 13, MOST_NEAR_TILES = 16; // zoom: coasts are coarse, a grid tells little when near
const GRID_STEPS = [45, 30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
const SPOT_WORDS = { query: "the query", same: "✓ same", unsure: "? unsure" };
const SPOT_ORDER = ["query", "same", "unsure"];

// Longitudes that lie as close together as they can, across the date line too.
function unwrapped(longitudes) {
  const sorted = [...longitudes].sort((one, other) => one - other);
  let start = 0, widest = sorted[0] + 360 - sorted[sorted.length - 1];
  for (let place = 1; place < sorted.length; place += 1) {
    if (sorted[place] - sorted[place - 1] > widest) { widest = sorted[place] - sorted[place - 1]; start = place; }
  }
  const moved = longitudes.map((longitude) => (longitude < sorted[start] ? longitude + 360 : longitude));
  const middle = (Math.min(...moved) + Math.max(...moved)) / 2;
  return moved.map((longitude) => longitude - 360 * Math.round(middle / 360));
}

// Draws spots, {latitude, longitude, radius_m, kind, name, target}, into an element; returns what removes the map.
// `choose`, where given, is called with a spot; else its target is the address of a link.
function drawMap(element, { spots, coasts, tileUrl, tileAttribution, choose }) {
  const groups = grouped(spots);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const map = L.map(element, {
    zoomControl: false, scrollWheelZoom: false, minZoom: 1, maxZoom: 18, zoomAnimation: !still, fadeAnimation: !still,
    inertia: !still, maxBounds: [[-90, -540], [90, 540]],
  });
  const bounds = L.latLngBounds(groups.map(({ at }) => at)), near = tileUrl ? MOST_NEAR_TILES : MOST_NEAR;
  const fit = (maxZoom) => map.fitBounds(bounds, { maxZoom, padding: [40, 40], animate: false });
  fit(tileUrl ? near : MOST_OVERVIEW);
  L.control.zoom({ zoomInTitle: "Nearer", zoomOutTitle: "Farther" }).addTo(map);
  map.attributionControl.setPrefix("Leaflet");
  L.control.scale({ imperial: false }).addTo(map);
  if (tileUrl) {
    const said = document.createElement("span");
    said.textContent = tileAttribution || "";
    L.tileLayer(tileUrl, { attribution: said.innerHTML, maxZoom: 19, referrerPolicy: "origin" }).addTo(map);
  } else {
    map.createPane("land").style.zIndex = 200;
    for (const around of [-360, 0, 360]) {
      L.geoJSON(coasts, {
        pane: "land", interactive: false, coordsToLatLng: ([x, y]) => [y, x + around],
        style: { className: "land", weight: 1 }, attribution: "Coasts: Natural Earth",
      }).addTo(map);
    }
  }
  drawGrid(map);
  groups.forEach((group) => drawGroup(map, group, choose));
  addButtons(map, { "To the places": () => fit(near), "Overview": () => fit(2) });
  // Wheels scroll the page until the map is asked to take them.
  element.addEventListener("focusin", () => map.scrollWheelZoom.enable());
  element.addEventListener("focusout", () => map.scrollWheelZoom.disable());
  element.addEventListener("keydown", (event) => { if (event.key === "Escape") map.closePopup(); });
  return () => map.remove();
}

// Spots at one place together, the query first: [{at, spots}].
function grouped(spots) {
  const longitudes = unwrapped(spots.map((spot) => spot.longitude));
  const groups = new Map();
  spots.forEach((spot, place) => {
    const at = [spot.latitude, longitudes[place]], key = at.map((degrees) => degrees.toFixed(5)).join();
    if (!groups.has(key)) groups.set(key, { at, spots: [] });
    groups.get(key).spots.push(spot);
  });
  for (const group of groups.values()) group.spots.sort((one, other) => SPOT_ORDER.indexOf(one.kind) - SPOT_ORDER.indexOf(other.kind));
  return [...groups.values()];
}

function drawGroup(map, { at, spots }, choose) {
  for (const { radius_m: radius } of spots) if (radius) L.circle(at, { radius, className: "radius", weight: 1, interactive: false }).addTo(map);
  const [{ kind }] = spots, words = spots.slice(0, 3).map((spot) => spot.name).join(", ");
  const title = (spots.length > 1 ? `${spots.length}: ` : "") + words + (spots.length > 3 ? ` and ${spots.length - 3} more` : "");
  const icon = L.divIcon({ className: `spot ${kind}`, html: spots.length > 1 ? String(spots.length) : "", iconSize: [28, 28] });
  const marker = L.marker(at, { icon, title, zIndexOffset: kind === "query" ? 1000 : 0 }).addTo(map);
  marker.getElement().setAttribute("aria-label", title);
  marker.bindPopup(() => listOf(spots, choose), { minWidth: 160, maxWidth: 230, maxHeight: 220, autoPanPaddingTopLeft: [60, 12], autoPanPaddingBottomRight: [12, 12] });
  marker.on("popupopen", (event) => event.popup.getElement().querySelector("li a, li button")?.focus());
  marker.on("popupclose", () => { if (map.getContainer().contains(document.activeElement)) marker.getElement()?.focus(); });
}

function listOf(spots, choose) {
  const list = document.createElement("ul"), place = document.createElement("li");
  list.className = "spots";
  place.textContent = `${spots[0].latitude.toFixed(5)}, ${spots[0].longitude.toFixed(5)}`;
  for (const spot of spots) {
    const item = document.createElement("li"), name = document.createElement(choose ? "button" : "a"), chip = document.createElement("span");
    name.textContent = spot.name;
    if (choose) { name.type = "button"; name.addEventListener("click", () => choose(spot)); } else name.href = spot.target;
    chip.className = `chip ${spot.kind}`;
    chip.textContent = SPOT_WORDS[spot.kind];
    item.append(chip, " ", name);
    list.append(item);
  }
  list.append(place);
  return list;
}

function drawGrid(map) {
  map.createPane("grid").style.zIndex = 250;
  const grid = L.layerGroup().addTo(map);
  const draw = () => {
    grid.clearLayers();
    const seen = map.getBounds(), step = GRID_STEPS.find((wide) => (seen.getEast() - seen.getWest()) / wide >= 3) || GRID_STEPS[GRID_STEPS.length - 1];
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const corner = map.containerPointToLatLng([4, 4]);
    const line = (points, at, words, anchor) => {
      L.polyline(points, { pane: "grid", className: "grid", weight: 1, interactive: false, smoothFactor: 0 }).addTo(grid);
      const icon = L.divIcon({ className: "degrees", html: words, iconSize: [64, 16], iconAnchor: anchor });
      L.marker(at, { icon, pane: "grid", interactive: false, keyboard: false }).addTo(grid);
    };
    const lines = (from, to) => Array.from({ length: Math.max(0, Math.floor(to / step) - Math.ceil(from / step) + 1) }, (_, place) => (Math.ceil(from / step) + place) * step);
    const south = Math.max(seen.getSouth(), -85), north = Math.min(seen.getNorth(), 85);
    for (const y of lines(south, north)) line([[y, seen.getWest()], [y, seen.getEast()]], [y, corner.lng], `${Math.abs(y).toFixed(digits)}°${y < 0 ? " S" : y > 0 ? " N" : ""}`, [-44, 16]);
    for (const x of lines(seen.getWest(), seen.getEast())) {
      const round = ((x + 180) % 360 + 360) % 360 - 180;
      line([[south, x], [north, x]], [Math.min(corner.lat, 85), x], `${Math.abs(round).toFixed(digits)}°${[0, -180].includes(round) ? "" : round < 0 ? " W" : " E"}`, [-4, 0]);
    }
  };
  map.on("moveend", draw).whenReady(draw);
}

function addButtons(map, buttons) {
  const control = L.control({ position: "bottomright" });
  control.onAdd = () => {
    const bar = L.DomUtil.create("div", "leaflet-bar views");
    for (const [words, clicked] of Object.entries(buttons)) {
      const button = L.DomUtil.create("button", "", bar);
      button.type = "button";
      button.textContent = words;
      button.addEventListener("click", clicked);
    }
    L.DomEvent.disableClickPropagation(bar);
    return bar;
  };
  control.addTo(map);
}

// A page that holds its places brings them along.
const mapData = document.getElementById("map-data");
if (mapData) {
  const element = document.getElementById("map-of-places");
  element.hidden = false;
  drawMap(element, JSON.parse(mapData.textContent));
}
