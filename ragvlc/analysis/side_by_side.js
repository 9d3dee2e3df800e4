(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const made = (tag, text, name) => {
    const one = document.createElement(tag);
    if (text !== undefined) one.textContent = text;
    if (name) one.className = name;
    return one;
  };
  const fill = (select, names, chosen) => names.forEach((name, number) => {
    const one = made("option", name);
    one.value = number;
    one.selected = number === chosen;
    select.append(one);
  });
  fill(at("a"), data.cells, data.chosen[0]);
  fill(at("b"), data.cells, data.chosen[1]);
  fill(at("metric"), data.metrics, data.metric);
  let current = null, shown = [];
  const reply = (question, side) => question.replies[at(side).value];
  const score = (question, side) => {
    const found = reply(question, side);
    return found ? found.scores[at("metric").value] : null;
  };
  const figure = (value) => (value === null || value === undefined ? "-" : value.toFixed(2));
  const gap = (question) => {
    const [one, two] = [score(question, "a"), score(question, "b")];
    if (one === null || two === null || one === undefined || two === undefined) return null;
    return (data.smaller[at("metric").value] ? -1 : 1) * (one - two);
  };
  const wanted = (question) => {
    const far = gap(question), which = at("which").value;
    const right = which === "all" || (far !== null && (which === "differ" ? far !== 0 : which === "a" ? far > 0 : far < 0));
    const words = at("words").value.toLowerCase();
    return right && (!words || `${question.id} ${question.question}`.toLowerCase().includes(words));
  };
  const passage = (one) => {
    const block = made("div", undefined, "passage");
    block.append(made("div", one.where, "soft"));
    for (const [text, evidence] of one.pieces) block.append(evidence ? made("mark", text) : document.createTextNode(text));
    return block;
  };
  const column = (question, side) => {
    const block = made("section"), found = reply(question, side);
    block.append(made("h3", data.cells[at(side).value]));
    if (!found) { block.append(made("p", "not asked", "soft")); return block; }
    const far = gap(question), better = far && (side === "a") === (far > 0);
    block.append(made("div", found.text || "(empty)", `answer ${far ? (better ? "good" : "bad") : ""}`));
    const facts = data.metrics.map((name, number) => `${name} ${figure(found.scores[number])}`);
    block.append(made("p", [...facts, found.facts].filter(Boolean).join(", "), "soft"));
    found.passages.forEach((number) => block.append(passage(data.passages[number])));
    if (found.more) block.append(made("p", `and ${found.more} more passages`, "soft"));
    return block;
  };
  const detail = () => {
    const box = at("detail");
    box.replaceChildren();
    if (!current) { box.append(made("p", "No question to show: choose other cells or another filter.", "soft")); return; }
    box.append(made("strong", current.question));
    current.choices.forEach((choice, number) => box.append(made("div", `${String.fromCharCode(65 + number)}. ${choice}`)));
    box.append(made("p", `Accepted: ${current.accepted}. ${current.id}`, "soft"));
    const two = made("div", undefined, "two");
    two.append(column(current, "a"), column(current, "b"));
    box.append(two);
  };
  const list = () => {
    shown = data.questions.filter(wanted);
    if (!shown.includes(current)) current = shown[0] || null;
    at("count").textContent = `${shown.length} of ${data.questions.length} questions.`;
    at("list").replaceChildren(...shown.map((question) => {
      const one = made("button", question.question.slice(0, 90));
      one.append(made("div", `${figure(score(question, "a"))} / ${figure(score(question, "b"))}`, "soft"));
      one.setAttribute("aria-current", question === current);
      one.addEventListener("click", () => { current = question; list(); });
      return one;
    }));
    detail();
  };
  document.addEventListener("input", list);
  document.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || /SELECT|INPUT/.test(event.target.tagName) || !shown.length) return;
    event.preventDefault();
    current = shown[Math.max(0, Math.min(shown.length - 1, shown.indexOf(current) + step))];
    list();
    at("list").querySelector("[aria-current=true]").scrollIntoView({ block: "nearest" });
  });
  list();
})();
