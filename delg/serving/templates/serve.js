"use strict";
// The page of delg.serve: asks the JSON API alone, and puts whatever it says into the page as text.

const API = "v1/";
const LOOK_AGAIN_MS = 300, TYPED_MS = 200;
const HITS_AT_ONCE = 20, MOST_HITS = 200, IMAGES_AT_ONCE = 60;
const SHOWN_SIZE = 1024, THUMBNAIL = 320, LARGEST = 2048; // pixels; telephones draw no canvas of 48 million
const SIGNS = { same: "✓ same", unsure: "? unsure", "only alike": "≈ only alike" };
const KINDS = { same: "same", unsure: "unsure", "only alike": "alike" };
const QUERY_WORDS = {
  same: "Found", unsure: "Perhaps found: look at the hits", "not in this collection": "Not in this collection",
};

const $ = (id) => document.getElementById(id);

// What is searched for: {file} or {imageId}, its picture, a box in pixels of the canvas, or null, and, once it is
// known, its size, height and width, which its picture may be smaller than.
let query = null;
let search = null; // of the last answer: {id, hits, isFinal, numHits, box}
let shown = null; // id of the hit that is large
let turn = 0; // grows with each search, so that late answers of earlier ones are passed over

async function ask(path, options) {
  const response = await fetch(API + path, options).catch(() => { throw new Error("The server does not answer."); });
  if (response.ok) return response.status === 204 ? null : response.json();
  let message = `The server answered ${response.status}.`;
  try { message = (await response.json()).error.message; } catch { /* not of our form */ }
  throw new Error(message);
}

function say(error) {
  $("problem").textContent = error ? (error.message || String(error)) : "";
  $("problem").hidden = !error;
}

function imageAddress(id, size) {
  return `${API}images/${id.split("/").map(encodeURIComponent).join("/")}?size=${size}`;
}

function loaded(address) {
  return new Promise((resolve, reject) => {
    const picture = new Image();
    picture.onload = () => resolve(picture);
    picture.onerror = () => reject(new Error("The picture cannot be shown."));
    picture.src = address;
  });
}

// ---- the query and its box

async function takeFile(file) {
  if (!file) return;
  const address = URL.createObjectURL(file);
  let picture = null;
  try { picture = await loaded(address); } catch { /* a format that browsers do not show, such as TIFF */ }
  URL.revokeObjectURL(address);
  setQuery({ file, name: file.name || "pasted photograph", picture, box: null });
  if (!picture) startSearch();
}

async function takeImage(id) {
  say(null);
  try {
    const picture = await loaded(imageAddress(id, 2048));
    setQuery({ imageId: id, name: id, picture, box: null });
  } catch { // a collection without pictures
    setQuery({ imageId: id, name: id, picture: null, box: null });
  }
  startSearch();
}

function setQuery(value) {
  endSearch(); // its hits are of another query
  query = value;
  $("drop").hidden = true;
  $("query").hidden = false;
  $("browsing").hidden = true;
  $("query-name").textContent = value.name;
  drawQuery();
  $("search").focus();
}

function endSearch() {
  turn += 1;
  if (search && !search.isFinal) giveUp(search.id);
  search = null;
  say(null);
  $("found").hidden = true;
  $("large").close();
  removeMap();
}

function giveUp(id) { ask(`searches/${id}`, { method: "DELETE" }).catch(() => {}); }

function drawQuery() {
  const canvas = $("canvas");
  $("no-box").disabled = !query.box;
  canvas.parentElement.hidden = $("box-help").hidden = $("no-box").hidden = !query.picture;
  canvas.setAttribute("aria-label", `The query, ${query.name}${query.box ? ", a box drawn on it" : ""}`);
  if (!query.picture) return;
  const { naturalWidth: width, naturalHeight: height } = query.picture;
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  context.drawImage(query.picture, 0, 0, canvas.width, canvas.height);
  if (query.box) drawPolygon(context, corners(query.box), canvas.width);
}

// The box in pixels of the query itself.
function trueBox() {
  const width = query.size ? query.size[1] : query.picture.naturalWidth;
  return query.box.map((value) => value * width / $("canvas").width);
}

function corners([x1, y1, x2, y2]) { return [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]; }

function drawPolygon(context, points, width) {
  context.strokeStyle = "#ffc400";
  context.lineWidth = Math.max(2, width / 250);
  context.beginPath();
  points.forEach(([x, y], place) => (place ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
  context.stroke();
}

function pointOf(event) {
  const canvas = $("canvas"), frame = canvas.getBoundingClientRect();
  return [Math.min(Math.max((event.clientX - frame.left) * canvas.width / frame.width, 0), canvas.width),
          Math.min(Math.max((event.clientY - frame.top) * canvas.height / frame.height, 0), canvas.height)];
}

let corner = null; // where drawing a box began

function beginBox(event) {
  corner = pointOf(event);
  $("canvas").setPointerCapture(event.pointerId);
}

function drawBox(event) {
  if (!corner) return;
  const [x, y] = pointOf(event);
  query.box = [Math.min(x, corner[0]), Math.min(y, corner[1]), Math.max(x, corner[0]), Math.max(y, corner[1])];
  drawQuery();
}

function endBox(event) {
  if (!corner) return;
  drawBox(event);
  corner = null;
  const [x1, y1, x2, y2] = query.box;
  if (x2 - x1 < 8 || y2 - y1 < 8) query.box = null; // a click
  drawQuery();
}

function moveBox(event) {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!query || !query.picture) return;
  const { width, height } = $("canvas");
  if (event.key === "Delete" || event.key === "Backspace") query.box = null;
  else if (!step) return;
  else {
    let [x1, y1, x2, y2] = query.box || [width / 4, height / 4, 3 * width / 4, 3 * height / 4];
    const [dx, dy] = [step[0] * width / 40, step[1] * height / 40];
    if (event.shiftKey) [x2, y2] = [Math.max(x2 + dx, x1 + 8), Math.max(y2 + dy, y1 + 8)];
    else [x1, y1, x2, y2] = [x1 + dx, y1 + dy, x2 + dx, y2 + dy];
    query.box = [Math.max(x1, 0), Math.max(y1, 0), Math.min(x2, width), Math.min(y2, height)];
  }
  event.preventDefault();
  drawQuery();
}

// ---- searching

async function startSearch(numHits = HITS_AT_ONCE) {
  const mine = ++turn;
  if (search && !search.isFinal) giveUp(search.id);
  say(null);
  $("found").hidden = false;
  $("verdict").textContent = "Searching …";
  $("explained").textContent = "";
  const form = new FormData(), asked = query, box = query.box && trueBox();
  if (query.file) form.set("image", query.file); else form.set("image_id", query.imageId);
  if (box) form.set("box", box.map((value) => value.toFixed(1)).join(","));
  form.set("num_hits", numHits);
  try {
    let answer = await ask("searches", { method: "POST", body: form });
    asked.size = answer.query_size;
    if (asked.file && !asked.picture) {
      asked.picture = await loaded(`${API}searches/${answer.search}/picture`).catch(() => null);
      if (mine === turn) drawQuery();
    }
    if (mine !== turn) giveUp(answer.search);
    while (mine === turn) {
      show(answer, numHits, box);
      if (answer.is_final) break;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      answer = await ask(`searches/${answer.search}`);
    }
  } catch (error) {
    if (mine !== turn) return;
    $("found").hidden = true;
    say(error);
  }
}

function show(answer, numHits, box) {
  search = { id: answer.search, hits: answer.hits, isFinal: answer.is_final, numHits, box };
  const judged = answer.hits.filter((hit) => hit.verdict).length;
  const isCompared = !answer.hits.length || answer.hits.some((hit) => hit.probability !== null);
  $("verdict").textContent = !answer.is_final ? "Comparing the details …"
    : isCompared ? QUERY_WORDS[answer.verdict] || answer.verdict : "Not known: nothing to compare in detail";
  $("explained").textContent = answer.is_final && !isCompared
    ? "The query, the box or the collection shows no details. These look most alike." : answer.is_final
    ? "A hit is the same where enough details lie as they do in the query. Choose one to see them."
    : "These look most alike. Their details are compared now.";
  $("progress").hidden = $("not-yet").hidden = answer.is_final;
  $("progress").max = Math.max(answer.hits.length, 1);
  $("progress").value = judged;
  $("more-hits").hidden = !answer.is_final || answer.hits.length < numHits || numHits >= MOST_HITS;
  showHits();
  if (answer.is_final) showPlaces(answer); else removeMap();
  if (answer.is_final && $("large").open) openHit(shown);
}

// ---- places, on a map that is loaded when the first one is known

let removeDrawn = null, mapParts = null;

function removeMap() {
  if (removeDrawn) removeDrawn();
  removeDrawn = null;
  $("places").hidden = $("map").hidden = true;
}

function added(name, attributes) {
  return new Promise((resolve, reject) => {
    const element = Object.assign(document.createElement(name), attributes);
    element.onload = resolve;
    element.onerror = () => reject(new Error("The map cannot be loaded."));
    document.head.append(element);
  });
}

// Settings of the map, once its files are there; asked for again where that failed.
function loadedMap() {
  mapParts = mapParts || (async () => {
    for (const href of ["leaflet.css", "map.css"]) await added("link", { rel: "stylesheet", href });
    for (const src of ["leaflet.js", "map.js"]) await added("script", { src });
    const settings = await ask("map");
    if (settings.tile_url) $("asks").textContent = "This page asks this server, and another for map tiles.";
    const coasts = settings.tile_url ? null : await (await fetch("coastlines.json")).json();
    return { coasts, tileUrl: settings.tile_url, tileAttribution: settings.tile_attribution };
  })().catch((error) => { mapParts = null; throw error; });
  return mapParts;
}

async function showPlaces({ place, hits }) {
  const mine = turn;
  removeMap();
  const spots = hits.filter((hit) => hit.place && ["same", "unsure"].includes(hit.verdict))
    .map((hit) => ({ ...hit.place, kind: hit.verdict, name: hit.image }));
  if (place) spots.push({ ...place, kind: "query", name: `The query, ${query.name}` });
  $("places").hidden = !place && !hits.some((hit) => hit.place);
  $("place").textContent = !place ? "It cannot be told: no hit that is the same has a place, or they disagree."
    : place.source === "hits" ? `${inDegrees(place)}, told by the hits that are the same.`
    : `${inDegrees(place)}, of the photograph itself.`;
  if (!spots.length) return;
  try {
    const parts = await loadedMap();
    if (mine !== turn || removeDrawn) return;
    $("map").hidden = false;
    removeDrawn = drawMap($("map"), { spots, ...parts, choose: chooseSpot });
  } catch (error) { if (mine === turn) say(error); }
}

function chooseSpot(spot) {
  if (spot.kind !== "query") return openHit(spot.name);
  $("query").scrollIntoView({ block: "nearest" });
  return (query.picture ? $("canvas") : $("search")).focus();
}

function inDegrees({ latitude, longitude, radius_m: radius }) {
  const within = radius === null ? "" : radius < 1000 ? `, within ${Math.round(radius)} m` : `, within ${(radius / 1000).toFixed(1)} km`;
  return `${latitude.toFixed(5)}, ${longitude.toFixed(5)}${within}`;
}

function isWanted(hit) {
  return $("filter").querySelector(`input[value="${hit.verdict === null ? "null" : hit.verdict}"]`).checked;
}

function showHits() {
  const list = $("hits"), wanted = search.hits.filter(isWanted);
  const focused = document.activeElement && document.activeElement.dataset.image;
  const before = new Map([...list.children].map((item) => [item.firstChild.dataset.image, item]));
  list.replaceChildren(...wanted.map((hit) => hitItem(hit, before.get(hit.image))));
  $("none-shown").hidden = wanted.length > 0 || !search.hits.length;
  if (focused) [...list.children].map((item) => item.firstChild).find((button) => button.dataset.image === focused)?.focus();
}

function hitItem(hit, item) {
  const chip = hit.verdict ? SIGNS[hit.verdict] : "…";
  if (!item) {
    item = document.createElement("li");
    item.append(pictureButton(hit.image, () => openHit(hit.image)));
  }
  const button = item.firstChild, said = button.lastChild;
  button.className = KINDS[hit.verdict] || "";
  const word = document.createElement("span");
  word.className = `chip ${KINDS[hit.verdict] || ""}`;
  word.textContent = chip;
  said.replaceChildren(word, ...[inWords(hit), hit.image].map((text) => {
    const line = document.createElement("span");
    line.textContent = text;
    return line;
  }));
  return item;
}

function pictureButton(id, chosen) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.image = id;
  button.addEventListener("click", chosen);
  const frame = document.createElement("span"), picture = document.createElement("img"), said = document.createElement("span");
  frame.className = "picture";
  said.className = "said";
  picture.loading = "lazy";
  picture.alt = "";
  picture.src = imageAddress(id, THUMBNAIL);
  picture.addEventListener("error", () => frame.remove()); // a collection without pictures
  frame.append(picture);
  button.append(frame, said);
  return button;
}

function inWords(hit) {
  if (hit.probability === null) return hit.verdict ? "not compared in detail" : "looks alike";
  const percent = 100 * hit.probability;
  const sure = percent > 99 ? "over 99 %" : percent < 1 ? "under 1 %" : `${Math.round(percent)} %`;
  return `${sure} probable, ${hit.num_inliers} detail${hit.num_inliers === 1 ? "" : "s"} agree${hit.num_inliers === 1 ? "s" : ""}`;
}

// ---- a hit, large, beside the query

async function openHit(id) {
  const mine = ++opened, place = placeOf(id), hit = search.hits[place];
  if (!hit) return; // the last answer has others
  shown = id;
  if (!$("large").open) $("large").showModal();
  $("large-name").textContent = `Hit ${hit.rank} of ${search.hits.length}`;
  $("large-hit-name").textContent = hit.image;
  const taken = hit.place ? ` Taken at ${inDegrees(hit.place)}.` : "";
  $("large-said").textContent = `${hit.verdict ? SIGNS[hit.verdict] : "not compared yet"}: ${inWords(hit)}.${taken}`;
  $("previous").disabled = place === 0;
  $("next").disabled = place === search.hits.length - 1;
  $("lines").replaceChildren();
  let picture = null, matches = null;
  try { picture = await loaded(imageAddress(id, SHOWN_SIZE)); } catch { /* none to show */ }
  try { matches = hit.num_inliers < 0 ? null : await ask(`searches/${search.id}/matches/${id.split("/").map(encodeURIComponent).join("/")}`); } catch { /* long ago */ }
  if (mine !== opened || !search) return;
  drawLarge("large-query", query.picture, `The query, ${query.name}`);
  drawLarge("large-hit", picture, `${hit.image}, ${inWords(hit)}`);
  large = { matches, hit, box: search.box };
  drawLines();
}

let large = null; // what is drawn over the two pictures
let opened = 0; // grows with each hit that is opened, so that late pictures are passed over

function placeOf(id) { return search.hits.findIndex((hit) => hit.image === id); }

function openBeside(step) {
  const hit = search.hits[placeOf(shown) + step];
  if (hit) openHit(hit.image);
}

function drawLarge(id, picture, label) {
  const canvas = $(id);
  canvas.setAttribute("aria-label", label);
  canvas.width = picture ? picture.naturalWidth : 320;
  canvas.height = picture ? picture.naturalHeight : 240;
  if (picture) canvas.getContext("2d").drawImage(picture, 0, 0);
}

function drawLines() {
  const svg = $("lines");
  svg.replaceChildren();
  if (!large || !large.matches) return;
  const { query_size: sizeOfQuery, image_size: sizeOfHit, query_points: from, image_points: to, outline } = large.matches;
  const frame = svg.getBoundingClientRect();
  const place = (id, [height, width]) => {
    const canvas = $(id), box = canvas.getBoundingClientRect();
    const scale = Math.min(box.width / width, box.height / height); // object-fit: contain
    const left = box.left - frame.left + (box.width - width * scale) / 2;
    const top = box.top - frame.top + (box.height - height * scale) / 2;
    return ([x, y]) => [left + (x + 0.5) * scale, top + (y + 0.5) * scale];
  };
  const inQuery = place("large-query", sizeOfQuery), inHit = place("large-hit", sizeOfHit);
  const add = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    svg.append(element);
  };
  if ($("show-lines").checked) from.forEach((point, row) => {
    const [x1, y1] = inQuery(point), [x2, y2] = inHit(to[row]);
    add("line", { x1, y1, x2, y2, stroke: `hsl(${(row * 47) % 360} 90% 55%)` });
  });
  const polygon = (points, at) => add("polygon", { points: points.map((point) => at(point).join(",")).join(" ") });
  if (large.box) polygon(corners(large.box), inQuery);
  if (outline && large.hit.verdict !== "only alike") polygon(outline, inHit);
}

// ---- the collection

let browsed = 0, browsing = 0, typed = 0;

async function browse(more) {
  const mine = ++browsing; // late answers are passed over
  say(null);
  $("browsing").hidden = false;
  browsed = more ? browsed : 0;
  const containing = encodeURIComponent($("containing").value);
  try {
    const found = await ask(`images?first=${browsed}&limit=${IMAGES_AT_ONCE}&containing=${containing}`);
    if (mine !== browsing) return;
    const items = found.images.map((id) => {
      const item = document.createElement("li"), button = pictureButton(id, () => takeImage(id));
      button.lastChild.textContent = id;
      item.append(button);
      return item;
    });
    if (more) $("images").append(...items); else $("images").replaceChildren(...items);
    browsed += items.length;
    $("browsing-count").textContent = `${found.total} photograph${found.total === 1 ? "" : "s"}`;
    $("more-images").hidden = browsed >= found.total;
  } catch (error) { say(error); }
}

// ---- events

$("choose").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => { takeFile($("file").files[0]); $("file").value = ""; });
$("browse").addEventListener("click", () => browse(false));
$("close-browsing").addEventListener("click", () => { $("browsing").hidden = true; $("browse").focus(); });
$("more-images").addEventListener("click", () => browse(true));
$("containing").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => browse(false), TYPED_MS);
});
$("another").addEventListener("click", () => {
  endSearch();
  query = null;
  $("query").hidden = true;
  $("drop").hidden = false;
  $("choose").focus();
});
$("search").addEventListener("click", () => startSearch());
$("no-box").addEventListener("click", () => { query.box = null; drawQuery(); $("canvas").focus(); });
$("more-hits").addEventListener("click", () => startSearch(Math.min(2 * search.numHits, MOST_HITS)));
$("filter").addEventListener("change", showHits);
$("canvas").addEventListener("pointerdown", beginBox);
$("canvas").addEventListener("pointermove", drawBox);
$("canvas").addEventListener("pointerup", endBox);
$("canvas").addEventListener("pointercancel", () => { corner = null; });
$("canvas").addEventListener("keydown", moveBox);
$("close-large").addEventListener("click", () => $("large").close());
$("large").addEventListener("close", () => {
  [...$("hits").children].map((item) => item.firstChild).find((button) => button.dataset.image === shown)?.focus();
});
$("previous").addEventListener("click", () => openBeside(-1));
$("next").addEventListener("click", () => openBeside(1));
$("large").addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") $("previous").click();
  if (event.key === "ArrowRight") $("next").click();
});
$("show-lines").addEventListener("change", drawLines);
$("search-this").addEventListener("click", () => {
  $("large").close();
  takeImage(shown);
});
window.addEventListener("resize", drawLines);
window.addEventListener("paste", (event) => takeFile([...event.clipboardData.files].find((file) => file.type.startsWith("image/"))));
["dragover", "dragleave", "drop"].forEach((name) => window.addEventListener(name, (event) => {
  event.preventDefault();
  $("drop").classList.toggle("over", name === "dragover");
  if (name === "drop") takeFile(event.dataTransfer.files[0]);
}));

ask("health").then((health) => {
  $("about").textContent = `Choose a photograph; ${health.images.toLocaleString("en")} others are searched for what it shows.`;
}).catch(say);
