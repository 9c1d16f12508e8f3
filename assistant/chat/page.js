// What happens in the browser: a click on [n] opens the article at the quote, replies are copied and downloaded.
// Gradio runs this once, with `element` (the conversation), `trigger` (an event for the server) and `watch`.
// Article text is moved about as nodes that the server has escaped; nothing here makes markup of text.

const panel = () => document.querySelector('#evidence .panel');
const body = () => panel().querySelector('.body');
let hint = null; // what an empty panel says
const narrow = () => window.matchMedia('(max-width: 760px)').matches;
let open = null; // the [n] whose article is shown

function show(button, { focus = false, move = false } = {}) {
  const turn = button.closest('.turn');
  const found = turn.querySelector(`.sources [data-number="${button.dataset.cite}"]`);
  if (!found || !panel()) return;
  hint ??= body().cloneNode(true);
  element.querySelectorAll('.cite[aria-current]').forEach((other) => other.removeAttribute('aria-current'));
  button.setAttribute('aria-current', 'true');
  open = { turn: turn.dataset.turn, number: Number(button.dataset.cite) };
  body().replaceChildren(found.cloneNode(true));
  const numbers = numbersOf(turn);
  const place = numbers.indexOf(open.number);
  const what = found.classList.contains('near') ? 'Nearest passage' : 'Source';
  panel().querySelector('.place').textContent = `${what} ${place + 1} of ${numbers.length}`;
  panel().querySelector('[data-step="-1"]').disabled = place <= 0;
  panel().querySelector('[data-step="1"]').disabled = place >= numbers.length - 1;
  panel().querySelector('[data-back]').disabled = false;
  const mark = body().querySelector('mark');
  body().scrollTop = Math.max(0, mark.offsetTop - body().offsetTop - body().clientHeight / 3);
  if (move && narrow()) panel().scrollIntoView({ block: 'start' });
  if (focus) body().focus({ preventScroll: true });
}

function numbersOf(turn) {
  return [...turn.querySelectorAll('.sources [data-number]')].map((source) => Number(source.dataset.number));
}

function openButton() {
  return open && element.querySelector(`.turn[data-turn="${open.turn}"] .cite[data-cite="${open.number}"]`);
}

function step(by) {
  const button = openButton();
  if (!button) return;
  const numbers = numbersOf(button.closest('.turn'));
  const wanted = numbers[numbers.indexOf(open.number) + by];
  const next = button.closest('.turn').querySelector(`.cite[data-cite="${wanted}"]`);
  if (next) show(next);
}

function back() {
  const button = openButton();
  if (!button) return;
  button.scrollIntoView({ block: 'nearest' });
  button.focus();
}

function close() {
  open = null;
  if (!hint) return; // nothing was shown yet
  body().replaceChildren(...hint.cloneNode(true).childNodes);
  panel().querySelector('.place').textContent = '';
  panel().querySelectorAll('button').forEach((button) => { button.disabled = true; });
}

// The conversation has changed: its end is brought into view, and the first source of a new answer is opened.
let latest = null;
function changed() {
  const turns = element.querySelectorAll('.turn:not(.pending)');
  const last = turns[turns.length - 1];
  pending();
  reopen();
  if (!last) { latest = null; forms.clear(); close(); return; }
  const key = keyOf(last);
  // A link's question has been asked: loading the page again must not ask it again.
  if (location.search) history.replaceState(null, '', location.pathname);
  if (key === latest) { openButton()?.setAttribute('aria-current', 'true'); return; }
  latest = key;
  scroller().scrollTop = last.offsetTop - scroller().offsetTop;
  const first = last.querySelector('.cite');
  if (first) show(first); else close();
}

const keyOf = (turn) => `${turn.dataset.turn}:${turn.querySelector('h3').textContent}`;
const scroller = () => element.closest('#conversation') ?? element;

// The question that is being asked, if there is one, stands below the conversation.
function pending() {
  clearInterval(waiting);
  element.querySelectorAll('.pending').forEach((shown) => shown.remove());
  const asked = document.querySelector('#pending .pending')?.cloneNode(true);
  if (!asked) return;
  (element.querySelector('.welcome, .turn')?.parentNode ?? element).append(asked);
  scroller().scrollTop = scroller().scrollHeight;
  latest = null;
  forget();
  waiting = setInterval(() => look(asked), PATIENCE);
}
document.addEventListener('pending', pending);

// While an answer is awaited: is the server still there, and the same one? Otherwise no answer will come.
let waiting = null;
let begun = null; // which start of the server gave this page
const PATIENCE = 3000; // ms; a server that hangs says no more than one that is gone
async function look(turn) {
  const told = turn.querySelector('[role=status]');
  told.dataset.usual ??= told.textContent;
  try {
    const answer = await fetch('gradio_api/app_id', { signal: AbortSignal.timeout(PATIENCE) });
    const { app_id: id } = await answer.json();
    begun ??= id;
    if (id === begun) { told.textContent = told.dataset.usual; return; }
    told.textContent = 'The server has begun anew. The question is kept: load the page again.';
  } catch {
    told.textContent = 'The server does not answer. The question is kept: load the page again when it is back.';
  }
}

// What is being typed outlives a reload.
const field = () => document.querySelector('#question textarea');
const DRAFT = 'article-assistant-draft';
const forget = () => sessionStorage.removeItem(DRAFT);
function write(question) {
  field().value = question;
  field().dispatchEvent(new Event('input', { bubbles: true }));
}
function restore() {
  const draft = sessionStorage.getItem(DRAFT);
  if (!draft) return;
  if (!field()) requestAnimationFrame(restore); // the field is not there yet
  else if (!field().value) write(draft);
}
document.addEventListener('input', (event) => {
  if (event.target === field()) sessionStorage.setItem(DRAFT, field().value);
});

async function copy(text, told) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement('textarea'); // where the browser gives no clipboard: not a secure context
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  told.textContent = 'Copied';
  setTimeout(() => { told.textContent = ''; }, 2500);
}

function download(text, name, type) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function act(button) {
  const turn = button.closest('.turn');
  const told = turn.querySelector('.told');
  const told_as = (kind) => turn.querySelector(`.${kind}`).textContent;
  const data = button.dataset;
  if ('copy' in data) copy(told_as('markdown'), told);
  if ('link' in data) copy(location.origin + location.pathname + data.link, told);
  if (data.download === 'md') download(told_as('markdown'), 'answer.md', 'text/markdown');
  if (data.download === 'json') download(told_as('json'), 'answer.json', 'application/json');
  if ('verdict' in data) {
    judge(turn, data.verdict);
    keep(turn);
    const form = turn.querySelector('.feedback');
    if (!form.hidden && data.verdict === 'wrong') form.querySelector('input').focus();
  }
  if ('save' in data) save(turn);
}

function judge(turn, verdict) {
  const form = turn.querySelector('.feedback');
  const again = !form.hidden && form.dataset.verdict === verdict;
  turn.querySelectorAll('[data-verdict]').forEach((button) => {
    if (button !== form) button.setAttribute('aria-pressed', String(!again && button.dataset.verdict === verdict));
  });
  form.hidden = again;
  form.dataset.verdict = verdict;
  form.querySelector('.correction').hidden = verdict === 'right';
  form.querySelector('.verdict').textContent =
    verdict === 'right' ? 'Thank you. As a test case, it has to stay right.' : 'Thank you. What would be right?';
}

// A form that was begun outlives the next answer, which draws the conversation anew. It belongs to an answer, not to a
// place: an earlier turn may leave.
const forms = new Map();
const answerOf = (turn) => `${turn.querySelector('h3').textContent}\n${turn.querySelector('.markdown').textContent}`;
function keep(turn) {
  const form = turn.querySelector('.feedback');
  const [right, silent] = form.querySelectorAll('input');
  if (form.hidden) { forms.delete(answerOf(turn)); return; }
  const typed = document.activeElement === right && { at: Date.now(), from: right.selectionStart, to: right.selectionEnd };
  forms.set(answerOf(turn), { verdict: form.dataset.verdict, right: right.value, silent: silent.checked, typed });
}
function reopen() {
  element.querySelectorAll('.turn[data-turn]').forEach((turn) => {
    const form = turn.querySelector('.feedback');
    const kept = form && forms.get(answerOf(turn));
    if (!kept || !form.hidden) return;
    if (kept.sent && turn.querySelector('.feedback + .meta')?.textContent.startsWith('Saved as')) {
      forms.delete(answerOf(turn));
      return;
    }
    judge(turn, kept.verdict);
    const [right, silent] = form.querySelectorAll('input');
    right.value = kept.right;
    silent.checked = kept.silent;
    // Who was typing goes on where the cursor was.
    if (!kept.typed || Date.now() - kept.typed.at > 5000 || document.activeElement !== document.body) return;
    right.focus({ preventScroll: true });
    right.setSelectionRange(kept.typed.from, kept.typed.to);
  });
}

function save(turn) {
  const form = turn.querySelector('.feedback');
  const [right, silent] = form.querySelectorAll('input');
  keep(turn);
  forms.get(answerOf(turn)).sent = true;
  trigger('save', {
    place: Number(turn.dataset.turn), verdict: form.dataset.verdict, right: right.value, silent: silent.checked,
  });
}

element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if ('cite' in button.dataset) show(button, { focus: true, move: true });
  else if ('ask' in button.dataset) trigger('ask', { question: button.textContent });
  else if ('stop' in button.dataset) trigger('stop');
  else if ('again' in button.dataset) trigger('again', { place: Number(button.closest('.turn').dataset.turn) });
  else if ('edit' in button.dataset) { write(button.closest('.turn').querySelector('h3').textContent); field().focus(); }
  else if ('unfilter' in button.dataset) trigger('unfilter');
  else if (button.closest('.turn')) act(button);
});
element.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && event.target.matches('.feedback input[type=text]')) save(event.target.closest('.turn'));
});
element.addEventListener('input', (event) => {
  if (event.target.closest('.feedback')) keep(event.target.closest('.turn'));
});
// The other parts of the page may not be there yet: they are listened to from above.
document.addEventListener('click', (event) => {
  const button = event.target.closest('#evidence button, #matching [data-unfilter]');
  if (button && 'unfilter' in button.dataset) trigger('unfilter');
  if (button?.dataset.step) step(Number(button.dataset.step));
  if (button && 'back' in button.dataset) back();
});
document.addEventListener('keydown', (event) => {
  if (!event.target.closest('#evidence')) return;
  if (event.key === 'ArrowRight') step(1);
  else if (event.key === 'ArrowLeft') step(-1);
  else if (event.key === 'Escape') back();
  else return;
  event.preventDefault();
});
// Several filters may change at once: the server is asked once, when all have.
let settling = null;
document.addEventListener('filters', () => {
  clearTimeout(settling);
  settling = setTimeout(() => trigger('filtered'), 50);
});
document.body.ariaBusy = 'true'; // until the page's load event has put everything where it was
watch('value', changed);
changed();
restore();
fetch('gradio_api/app_id').then((answer) => answer.json()).then(({ app_id: id }) => { begun = id; });
