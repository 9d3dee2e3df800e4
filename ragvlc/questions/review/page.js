"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const items = data.items, words = ["accept", "edit", "reject"];
  const $ = (id) => document.getElementById(id);
  const done = { accept: "accepted", edit: "edited", reject: "rejected" };
  const memory = new Map(), history = [];
  let database = null, place = 0, writing = 0;

  // Each decision has a key of its own, so that two windows do not overwrite each other's. The page is mostly opened
  // as a file, where some browsers give now and then a local storage that is empty: decisions are in a database.
  const prefix = `ragvlc-review:${data.set}:`;
  const key = (item) => `${prefix}${item.id}:${item.version}`;
  const nameKey = `${prefix}reviewer`;
  const others = "BroadcastChannel" in window ? new BroadcastChannel("ragvlc-review") : null;
  const load = (name) => (memory.has(name) ? memory.get(name) : null);
  const table = (mode) => database.transaction("decisions", mode).objectStore("decisions");
  function unstored() {
    database = null;
    $("storage").hidden = false;
  }
  function store(name, value) {
    if (value === null) memory.delete(name);
    else memory.set(name, value);
    if (!database) return;
    try {
      const asked = value === null ? table("readwrite").delete(name) : table("readwrite").put(value, name);
      writing += 1;
      asked.transaction.oncomplete = () => {
        writing -= 1;
        document.body.dataset.writing = String(writing);
        if (others) others.postMessage([name, value]);
      };
      asked.transaction.onabort = unstored; // full, or forbidden meanwhile
    } catch (error) {
      unstored();
    }
    document.body.dataset.writing = String(writing);
  }
  function open(ready) {
    const failed = () => { unstored(); ready(); };
    let asked;
    try {
      asked = window.indexedDB.open("ragvlc-review", 1);
    } catch (error) {
      failed();
      return;
    }
    asked.onupgradeneeded = () => asked.result.createObjectStore("decisions");
    asked.onerror = failed;
    asked.onsuccess = () => {
      database = asked.result;
      const cursor = table("readonly").openCursor(IDBKeyRange.bound(prefix, `${prefix}\uffff`));
      cursor.onerror = failed;
      cursor.onsuccess = () => {
        if (!cursor.result) { ready(); return; }
        memory.set(cursor.result.key, cursor.result.value);
        cursor.result.continue();
      };
    };
  }
  const percent = (share) => `${Math.round(100 * share)} %`;
  const decision = (item) => load(key(item)) || {};

  function element(tag, text, kind) {
    const found = document.createElement(tag);
    if (text !== undefined) found.textContent = text;
    if (kind) found.className = kind;
    return found;
  }

  function change(item, value) {
    history.push([item, load(key(item))]);
    store(key(item), value);
    draw();
  }
  function decide(word, texts) {
    const item = items[place], note = $("note").value;
    change(item, { word, note, ...(texts || {}) });
    next(true);
  }
  function undo() {
    const last = history.pop();
    if (!last) return;
    store(key(last[0]), last[1]);
    place = items.indexOf(last[0]);
    stopEditing();
    draw();
  }

  function passes(item) {
    const wanted = $("filter").value;
    if (wanted === "open") return !decision(item).word;
    return wanted === "marked" ? Boolean(item.marks) : true;
  }
  function move(step, test) {
    for (let count = 1; count <= items.length; count += 1) {
      const other = (place + step * count + items.length * count) % items.length;
      if (test(items[other])) { go(other); return true; }
    }
    return false;
  }
  const isOpen = (item) => !decision(item).word && !item.reviewed && passes(item);
  function next(onlyOpen) {
    if (onlyOpen && move(1, isOpen)) return;
    move(1, passes);
  }
  function go(other) {
    place = other;
    stopEditing();
    draw();
    window.scrollTo(0, 0);
  }

  function draw() {
    const item = items[place], found = decision(item);
    $("place").textContent = `${place + 1} of ${items.length}, ${item.id}, ${item.kind}`;
    $("state").textContent = found.word ? done[found.word] : item.reviewed || "undecided";
    $("state").className = `state ${found.word || ""}`;
    $("overlap").textContent = item.overlap === null ? "" : `words in the evidence: ${percent(item.overlap)}`;
    $("marks").textContent = item.marks ? `Not judged by: ${item.marks}` : "";
    $("question").textContent = found.word === "edit" ? found.question : item.question;
    const answers = found.word === "edit" ? found.answers : item.answers;
    $("answer").textContent = item.unanswerable ? "none: the documents do not answer it" : answers.join(data.separator);
    $("note").value = found.note || "";
    drawExcerpts(item, found);
    drawFindings(item);
    drawProgress();
    for (const [number, button] of [...$("list").children].entries()) {
      const word = decision(items[number]).word || "";
      button.className = `${word} ${items[number].marks ? "marked" : ""} ${items[number].reviewed ? "before" : ""}`;
      button.title = word ? done[word] : items[number].reviewed || "undecided";
      if (number === place) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }
  function drawExcerpts(item, found) {
    const box = $("excerpts");
    box.replaceChildren();
    $("evidence-title").textContent = item.evidence.length ? "Evidence in its place" : "What the model was shown";
    for (const one of item.excerpts) {
      const where = `characters ${one.start} to ${one.end} of ${one.length}`;
      const head = element("p", undefined, "soft");
      const title = element("strong", one.title, "bidi");
      title.dir = "auto";
      head.append(title, ` ${one.title === one.document ? "" : one.document + ", "}${where}`);
      const text = element("div", undefined, "excerpt bidi");
      text.dir = "auto";
      if (one.start > 0) text.append("… ");
      for (const [piece, marked] of one.pieces) text.append(marked ? element("mark", piece) : piece);
      if (one.end < one.length) text.append(" …");
      box.append(head, text);
      const first = text.querySelector("mark");
      if (first) text.scrollTop = Math.max(0, first.offsetTop - text.offsetTop - 60);
    }
    if (found.word === "edit" && found.evidence.join("\n") !== item.evidence.join("\n")) {
      box.prepend(element("p", `Quotes of the edit: ${found.evidence.join(data.separator)}`, "edit state"));
    }
  }
  function drawFindings(item) {
    const box = $("findings");
    box.replaceChildren();
    const rows = [["written by", item.writer], ["reviewed", item.reviewed || "not yet"]];
    if (item.overlap !== null) rows.push(["words of the question in the evidence", percent(item.overlap)]);
    for (const [filter, verdict, reason] of item.findings) {
      rows.push([filter, reason ? `${verdict}: ${reason}` : verdict]);
    }
    for (const [name, text] of rows) box.append(element("dt", name), element("dd", text));
  }
  function drawProgress() {
    const counts = { accept: 0, edit: 0, reject: 0 };
    let before = 0;
    for (const item of items) {
      const word = decision(item).word;
      if (word) counts[word] += 1;
      else if (item.reviewed) before += 1;
    }
    const total = counts.accept + counts.edit + counts.reject;
    const earlier = before ? `, ${before} reviewed before` : "";
    $("progress").textContent = `${total} of ${items.length} decided: ${counts.accept} accepted, ` +
      `${counts.edit} edited, ${counts.reject} rejected${earlier}`;
    for (const word of words) $(`bar-${word}`).style.width = `${100 * counts[word] / Math.max(1, items.length)}%`;
  }

  function field(text) {
    const area = element("textarea");
    area.value = text;
    area.dir = "auto";
    area.className = "quote";
    const label = element("label", "Quote (empty: taken out) ");
    label.append(area);
    $("edit-evidence").append(label);
    return area;
  }
  function startEditing() {
    const item = items[place], found = decision(item), own = found.word === "edit" ? found : item;
    $("edit-question").value = own.question;
    $("edit-answers").value = own.answers.join("\n");
    $("edit-answered").hidden = item.unanswerable;
    $("edit-evidence").replaceChildren();
    for (const quote of own.evidence) field(quote);
    setEditing(true);
    $("edit-question").focus();
  }
  function setEditing(on) { // what would leave the question is hidden meanwhile, so that no typed text is lost
    $("editing").hidden = !on;
    for (const id of ["reading", "buttons", "list", "filtering"]) $(id).hidden = on;
  }
  function stopEditing() {
    if ($("editing").contains(document.activeElement)) document.activeElement.blur();
    setEditing(false);
  }
  const squeezed = (texts) => texts.map((text) => text.split(/\s+/).filter(Boolean).join(" ")).join("\n");
  function saveEdit() {
    const item = items[place];
    const lines = $("edit-answers").value.split("\n").map((line) => line.trim()).filter(Boolean);
    const quotes = [...document.querySelectorAll(".quote")].map((area) => area.value).filter((text) => text.trim());
    const texts = { question: $("edit-question").value.trim(), answers: lines, evidence: quotes };
    if (squeezed(lines) === squeezed(item.answers.flatMap((one) => one.split("\n")))) texts.answers = item.answers;
    const equal = squeezed([texts.question]) === squeezed([item.question]) &&
      squeezed(texts.answers) === squeezed(item.answers) && squeezed(quotes) === squeezed(item.evidence);
    stopEditing();
    if (equal) decide("accept");
    else decide("edit", texts);
  }
  function addQuote() {
    const text = String(window.getSelection()).trim();
    if (text) field(text);
    else field("").focus();
  }

  function rows() {
    const reviewer = $("reviewer").value.trim();
    return items.map((item) => {
      const found = decision(item), own = found.word === "edit" ? found : item;
      return {
        id: item.id, decision: found.word || "", question: own.question, answer: own.answers, evidence: own.evidence,
        reviewer: found.word ? reviewer : "", note: found.note || "", kind: item.kind, marks: item.marks,
        reviewed: item.reviewed, version: item.version, set: data.set,
      };
    });
  }
  function shielded(cell) {
    return /^(?:[\t\r\n]|\s*[=+\-@'＝＋－＠])/.test(cell) ? `'${cell}` : cell;
  }
  function csv() {
    const cell = (value) => {
      const text = shielded(Array.isArray(value) ? value.join(data.separator) : value);
      return `"${text.replaceAll('"', '""')}"`;
    };
    const lines = rows().map((row) => data.columns.map((name) => cell(row[name])).join(","));
    return "\ufeff" + [data.columns.map(cell).join(","), ...lines].join("\r\n") + "\r\n";
  }
  function save(text, type, ending) {
    const link = element("a"), who = $("reviewer").value.trim().replace(/[^\p{L}\p{N}]+/gu, "-");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = `${data.name}.decisions${who ? "." + who : ""}.${ending}`;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  const actions = {
    a: () => decide("accept"), e: startEditing, r: () => decide("reject"), u: undo, n: () => next(false),
    p: () => move(-1, passes), o: () => move(1, isOpen), ArrowRight: () => next(false), ArrowLeft: () => move(-1, passes),
  };
  document.addEventListener("keydown", (event) => {
    if (!document.body.dataset.ready) return; // stored decisions are not read yet
    const editing = !$("editing").hidden;
    if (editing && event.key === "Escape") { stopEditing(); event.preventDefault(); return; }
    if (editing && event.key === "Enter" && (event.ctrlKey || event.metaKey)) { saveEdit(); event.preventDefault(); return; }
    if (event.key === "Escape" && document.activeElement) document.activeElement.blur();
    const typing = /^(?:INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if (editing || typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat && event.key.length === 1) return;
    if (Object.hasOwn(actions, event.key)) { actions[event.key](); event.preventDefault(); }
  });
  const clicks = {
    accept: actions.a, edit: actions.e, reject: actions.r, undo: actions.u, next: actions.n, previous: actions.p,
    cancel: stopEditing, "add-quote": addQuote,
    "save-csv": () => save(csv(), "text/csv;charset=utf-8", "csv"),
    "save-json": () => save(JSON.stringify(rows(), null, 1) + "\n", "application/json", "json"),
  };
  for (const [id, act] of Object.entries(clicks)) $(id).addEventListener("click", () => { if (document.body.dataset.ready) act(); });
  $("add-quote").addEventListener("mousedown", (event) => event.preventDefault());
  $("editing").addEventListener("submit", (event) => { event.preventDefault(); saveEdit(); });
  $("filter").addEventListener("change", () => { if (!passes(items[place])) next(false); });
  $("reviewer").addEventListener("input", () => store(nameKey, $("reviewer").value));
  $("note").addEventListener("input", () => {
    const found = load(key(items[place]));
    store(key(items[place]), { ...(found || {}), note: $("note").value });
  });
  if (others) others.onmessage = ({ data: [name, value] }) => {
    if (value === null) memory.delete(name);
    else memory.set(name, value);
    if (name.startsWith(prefix) && items.length && $("editing").hidden) draw();
  };
  for (const number of items.keys()) {
    const button = element("button", String(number + 1));
    button.addEventListener("click", () => go(number));
    $("list").append(button);
  }
  open(() => {
    $("reviewer").value = load(nameKey) || "";
    document.body.dataset.ready = "yes";
    if (!items.length) return;
    const first = items.findIndex((item) => !decision(item).word && !item.reviewed);
    go(Math.max(0, first));
  });
})();
