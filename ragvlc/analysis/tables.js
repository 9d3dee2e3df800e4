"use strict";
// Sorts tables by a click on a head, and filters rows of cells and questions. Texts are read and never written as HTML.
(() => {
  const text = (node) => (node ? node.textContent.trim() : "");
  const number = (cell) => {
    const found = text(cell).replace(/,/g, "").match(/^[+-]?(?:\d+\.?\d*|\.\d+)/);
    return found ? Number(found[0]) : NaN;
  };
  const make = (tag, words, kind) => {
    const found = document.createElement(tag);
    if (words) found.textContent = words;
    if (kind) found.className = kind;
    return found;
  };

  function compared(one, other, place, up) {
    const [a, b] = [number(one.cells[place]), number(other.cells[place])];
    if (Number.isNaN(a) || Number.isNaN(b)) {
      if (Number.isNaN(a) !== Number.isNaN(b)) return Number.isNaN(a) ? 1 : -1; // without a number: last
      return text(one.cells[place]).localeCompare(text(other.cells[place])) * (up ? 1 : -1);
    }
    return (a - b) * (up ? 1 : -1);
  }
  function sorted(table, heads, place) {
    const body = table.tBodies[0], head = heads[place];
    const words = [...body.rows].every((row) => Number.isNaN(number(row.cells[place])));
    const ways = words ? ["ascending", "descending", ""] : ["descending", "ascending", ""];
    const way = ways[(ways.indexOf(head.getAttribute("aria-sort") || "") + 1) % 3];
    for (const one of heads) one.removeAttribute("aria-sort");
    if (way) head.setAttribute("aria-sort", way);
    const rows = [...body.rows].sort((a, b) => a.dataset.place - b.dataset.place);
    if (way) rows.sort((a, b) => compared(a, b, place, way === "ascending"));
    body.append(...rows);
  }
  for (const table of document.querySelectorAll("section table")) {
    const body = table.tBodies[0], row = table.tHead && table.tHead.rows[table.tHead.rows.length - 1];
    if (!row || !body || body.rows.length < 2 || [...body.rows].some((one) => one.cells.length !== row.cells.length)) continue;
    const heads = [...row.cells];
    [...body.rows].forEach((one, place) => { one.dataset.place = String(place); });
    heads.forEach((head, place) => {
      head.classList.add("sorts");
      head.tabIndex = 0;
      head.title = "sort";
      head.addEventListener("click", () => sorted(table, heads, place));
      head.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        sorted(table, heads, place);
      });
    });
  }

  function field(section, label) {
    const box = make("p", "", "filter"), words = make("label", `${label} `), input = make("input"), count = make("span", "", "soft");
    input.type = "search";
    count.setAttribute("role", "status");
    words.append(input);
    box.append(words, " ", count);
    section.querySelector("h2").after(box);
    return { box, input, count };
  }
  const has = (words, wanted) => wanted.toLowerCase().split(/\s+/).filter(Boolean).every((one) => words.toLowerCase().includes(one));

  const tables = document.getElementById("tables");
  const cells = tables ? [...tables.querySelectorAll("tbody tr")] : [];
  if (new Set(cells.map((row) => text(row.cells[0]))).size > 4) {
    const { input, count } = field(tables, "Only cells with");
    input.addEventListener("input", () => {
      let shown = 0;
      for (const row of cells) {
        row.hidden = !has(text(row.cells[0]), input.value);
        shown += !row.hidden;
      }
      count.textContent = input.value ? `${shown} of ${cells.length} rows` : "";
    });
  }

  const questions = document.getElementById("questions");
  const asked = questions ? [...questions.querySelectorAll("details.question")] : [];
  if (asked.length > 1) {
    const { box, input, count } = field(questions, "Only questions with");
    const select = make("select"), label = make("label", "that ");
    const replies = (one) => [...one.querySelector("table").tBodies[0].rows];
    const names = [...new Set(asked.flatMap((one) => replies(one).map((row) => text(row.cells[0]))))];
    select.append(new Option("any cell answered", ""));
    for (const name of names) select.append(new Option(`${name} does not score 1 on`, name));
    label.append(select);
    input.parentElement.after(" ", label);
    const draw = () => {
      let shown = 0;
      for (const one of asked) {
        const row = replies(one).find((other) => text(other.cells[0]) === select.value);
        const wanted = !select.value || (row && !(number(row.cells[2]) >= 1));
        one.hidden = !(wanted && has(one.textContent, input.value));
        shown += !one.hidden;
      }
      count.textContent = input.value || select.value ? `${shown} of ${asked.length} questions` : "";
    };
    input.addEventListener("input", draw);
    select.addEventListener("change", draw);
  }
})();
