"use strict";

// Tables with the class "sortable": a button in each header but those marked data-unsorted.
function valueOf(row, column) {
  const text = row.cells[column].textContent.replace("−", "-").trim();
  const number = text.match(/^[^\w-]*([-+]?\d[\d.,]*)(\s|%|$)/);
  return number ? parseFloat(number[1].replaceAll(",", "")) : text === "–" ? null : text;
}

function compare(one, other) {
  return typeof one === "number" && typeof other === "number" ? one - other
    : String(one).localeCompare(String(other), "en", {numeric: true});
}

function sort(table, header) {
  const isDescending = header.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", isDescending ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map(row => [valueOf(row, header.cellIndex), row]);
  rows.sort(([one], [other]) => one === null || other === null ? (one === null) - (other === null)
    : compare(one, other) * (isDescending ? -1 : 1));
  body.append(...rows.map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const header of table.tHead.rows[0].cells) {
    if ("unsorted" in header.dataset) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(table, header));
    header.append(button);
  }
}

// Pictures inside figures: a button around each shows it as large as the window lets it be.
const figures = [...document.querySelectorAll("figure img")];
if (figures.length) {
  const dialog = document.createElement("dialog");
  const large = document.createElement("img");
  const said = document.createElement("p");
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  dialog.className = "large";
  dialog.setAttribute("aria-label", "Picture");
  dialog.append(close, large, said);
  document.body.append(dialog);
  let shown = 0;
  const show = place => {
    shown = Math.min(Math.max(place, 0), figures.length - 1);
    large.src = figures[shown].src;
    large.alt = said.textContent = figures[shown].alt;
  };
  dialog.addEventListener("click", event => { if (event.target !== said) dialog.close(); });
  dialog.addEventListener("keydown", event => {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (step) show(shown + step);
  });
  dialog.addEventListener("close", () => figures[shown].parentElement.focus());
  figures.forEach((picture, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "open";
    picture.replaceWith(button);
    button.append(picture);
    button.addEventListener("click", () => { show(place); dialog.showModal(); });
  });
}
