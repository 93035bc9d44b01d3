"""What pages of other sites can do in a real browser with somebody's session: read nothing, and begin no stream.

Two things prevent it, and each is shown alone: a page of another site comes without the cookie (`SameSite`); one of another
host of the same site comes with it, and is refused for its origin.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api import PASSWORD, ApiClient
from tests.backend.raw import Served, served
from tests.live.tls_proxy import TlsProxy, behind_tls, needs_openssl
from tests.schema.webdriver import Browser, browser, missing, until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    needs_openssl,
    pytest.mark.skipif(bool(missing()), reason=f"not on this machine, install them: {', '.join(missing())}"),
]

OURS, SIBLING, FOREIGN = "app.katha.test", "evil.katha.test", "evil.test"
ARGUMENTS = ("--host-resolver-rules=MAP * 127.0.0.1", "--ignore-certificate-errors")
PRESENCE = "subscription ($story: ID!) { presence(story: $story) { people { person { handle } } } }"
SIGN_IN = """
document.cookie = `csrftoken=${'x'.repeat(32)}; path=/; secure`;
window.done = null;
const query = `mutation { signIn(handle: "asha", password: "${arguments[0]}") { __typename } }`;
fetch('/graphql', {method: 'POST', body: JSON.stringify({query}),
  headers: {'Content-Type': 'application/json', 'X-CSRFToken': 'x'.repeat(32)}})
  .then((answer) => answer.text()).then((text) => { window.done = text; });
"""
ATTACK = """
const [host, query] = arguments, url = `https://${host}/graphql`, get = `${url}?query=${encodeURIComponent(query)}`;
window.heard = {};
const tell = (name) => (what) => { window.heard[name] = what; };
const stream = {Accept: 'text/event-stream'}, body = JSON.stringify({query});
const read = async (name, target, options) => {
  try {
    const answer = await fetch(target, {credentials: 'include', headers: stream, ...options});
    const first = answer.body ? await answer.body.getReader().read() : {};
    tell(name)(first.value ? new TextDecoder().decode(first.value) : '');
  } catch { tell(name)(''); }
};
const events = new EventSource(get, {withCredentials: true});
let opened = '';
events.onopen = () => { opened = 'it is open'; };
events.addEventListener('next', (event) => tell('EventSource')(event.data));
events.onerror = () => { if (!('EventSource' in window.heard)) tell('EventSource')(opened); events.close(); };
const ws = new WebSocket(url.replace('https', 'wss'), 'graphql-transport-ws');
ws.onopen = () => tell('WebSocket')('it is open');
ws.onerror = () => tell('WebSocket')('');
read('GET', get, {});
read('a GET that asks nobody', get, {mode: 'no-cors'});
read('text', url, {method: 'POST', mode: 'no-cors', body, headers: {...stream, 'Content-Type': 'text/plain'}});
read('a form', url, {method: 'POST', mode: 'no-cors', body: new URLSearchParams({query})});
const parts = new FormData();
parts.append('query', query);
read('parts', url, {method: 'POST', mode: 'no-cors', body: parts});
read('JSON that names no type', url, {method: 'POST', mode: 'no-cors', body: new Blob([body])});
read('JSON', url, {method: 'POST', body, headers: {...stream, 'Content-Type': 'application/json'}});
"""
WAYS = 9
"""How many of them there are."""


@pytest.fixture(scope="module")
def live(served_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, TlsProxy]]:
    """A server behind a proxy with TLS, as only there browsers say where a request comes from."""
    folder = tmp_path_factory.mktemp("foreign")
    given = {"TRUSTED_PROXIES": "127.0.0.1", "ALLOWED_HOSTS": f"{OURS},127.0.0.1"}
    with served(served_database, folder / "log", **given) as one, behind_tls(one.place, OURS, folder=folder) as proxy:
        yield one, proxy


def test_pages_of_others_begin_nothing(live: tuple[Served, TlsProxy], asha: ApiClient) -> None:
    """Whatever they try, with the session of somebody who is signed in. A page of this server can do it, so it would work."""
    server, proxy = live
    story = asha.create_story("0")["story"]["id"]
    query = PRESENCE.replace("($story: ID!) ", "").replace("$story", f'"{story}"')
    ours = f"{OURS}:{proxy.port}"
    with browser(*ARGUMENTS) as session:
        session.open(f"https://{ours}/")
        session.run(SIGN_IN, PASSWORD)
        assert "SignSuccess" in until(lambda: session.run("return window.done"), "it is signed in")
        own = attacks(session, ours, query)
        assert own["EventSource"].count("asha") == 1
        assert own["WebSocket"] == "it is open"
        for host in (SIBLING, FOREIGN):
            session.open(f"https://{host}:{proxy.port}/")
            before = len(proxy.requests), begun(server)
            heard = attacks(session, ours, query)
            came = [one for one in proxy.requests[before[0] :] if "/graphql" in one[""] and "OPTIONS" not in one[""]]
            assert heard == dict.fromkeys(heard, ""), host
            with_cookie = [one for one in came if "sessionid" in one.get("cookie", "")]
            assert bool(with_cookie) is (host == SIBLING), came
            assert begun(server) == before[1], host


def begun(server: Served) -> float:
    """How many subscriptions have begun: those that have ended, and those that run."""
    names = "katha_live_endings_total", "katha_live_subscriptions"
    return sum(value for name, value in server.metrics().items() if name[0] in names)


def attacks(session: Browser, host: str, query: str) -> Any:
    """What a page hears, by way."""
    session.run(ATTACK, host, query)
    until(lambda: session.run("return Object.keys(window.heard).length") == WAYS, "each has ended")
    return session.run("return window.heard")
