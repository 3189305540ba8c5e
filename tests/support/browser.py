"""A headless Chromium of a test's own, driven through its DevTools pipe: no client library needed."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

SECONDS = 60
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(
    not PROGRAM, reason="chromium is not installed: apt-get install chromium"
)
VIRTUAL_KEYS = {"Tab": 9, "Enter": 13, " ": 32, "ArrowLeft": 37, "ArrowRight": 39}
TROUBLE = ("Runtime.exceptionThrown", "Log.entryAdded")
WAIT = """new Promise((done, fail) => {
  const end = performance.now() + %d;
  const look = () => {
    if (%s) done(true);
    else if (performance.now() > end) fail(new Error("never came true"));
    else setTimeout(look, 10);
  };
  look();
})"""


class Browser:
    """One page. What goes wrong in it, and what it asks of any server, is in `events`."""

    def __init__(self):
        self.folder = tempfile.mkdtemp()
        to_browser, from_browser = pipe(), pipe()
        flags = ["--headless", "--remote-debugging-pipe", f"--user-data-dir={self.folder}"]
        flags += ["--no-sandbox"] if os.getuid() == 0 else []
        self.process = subprocess.Popen(  # it reads from descriptor 3 and writes to 4
            ["bash", "-c", f'exec "$@" 3<&{to_browser[0]} 4>&{from_browser[1]}', "bash"]
            + [PROGRAM, *flags, "about:blank"],
            pass_fds=(to_browser[0], from_browser[1]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser[0])
        os.close(from_browser[1])
        self.output, self.input = to_browser[1], from_browser[0]
        self.received, self.events, self.last_id, self.session = b"", [], 0, None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method, **params):
        """Result of a DevTools command."""
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": params}
        message |= {"sessionId": self.session} if self.session else {}
        rest = json.dumps(message).encode() + b"\0"
        while rest:
            rest = rest[os.write(self.output, rest) :]
        while True:
            answer = self.receive()
            if answer.get("id") == self.last_id:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def receive(self):
        while b"\0" not in self.received:
            ready, _, _ = select.select([self.input], [], [], SECONDS)
            part = os.read(self.input, 2**16) if ready else b""
            assert part, "the browser has ended or says nothing"
            self.received += part
        message, _, self.received = self.received.partition(b"\0")
        return json.loads(message)

    def open(self, path):
        self.send("Page.navigate", url=Path(path).resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self.receive())

    def evaluate(self, expression):
        """Value of a JavaScript expression; a promise is waited for."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, (expression, answer["exceptionDetails"])
        return answer["result"].get("value")

    def wait_for(self, condition):
        self.evaluate(WAIT % (1000 * SECONDS, condition))

    def click(self, selector, across=0.5):
        """A real click of the mouse, which counts as the user's own; `across` 0 is the left edge."""
        x, y = self.evaluate(
            f"(() => {{ const it = document.querySelector({json.dumps(selector)});"
            "it.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const box = it.getBoundingClientRect();"
            f"return [box.x + {across} * box.width, box.y + box.height / 2]; }})()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            mouse = {"x": x, "y": y, "button": "left", "clickCount": 1}
            self.send("Input.dispatchMouseEvent", type=kind, **mouse)

    def press(self, key):
        """A real key, such as "a", " ", "Enter" or "ArrowLeft", down and up."""
        text = {"text": {"Enter": "\r"}.get(key, key)} if key == "Enter" or len(key) == 1 else {}
        code = {"windowsVirtualKeyCode": VIRTUAL_KEYS[key]} if key in VIRTUAL_KEYS else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, **text, **code)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, **code)

    def screenshot(self, path, width, height, scheme="light"):
        """Writes what is seen in a window of this size, in CSS pixels, as .png."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **metrics)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.send("Emulation.setEmulatedMedia", features=[feature])
        data = self.send("Page.captureScreenshot", format="png")["data"]
        Path(path).write_bytes(base64.b64decode(data))

    def requests(self):
        """Addresses the page asked for, without those inside the page itself."""
        events = [e for e in self.events if e["method"] == "Network.requestWillBeSent"]
        urls = [event["params"]["request"]["url"] for event in events]
        return [url for url in urls if not url.startswith(("data:", "about:"))]

    def complaints(self):
        """Errors and warnings of the console, uncaught exceptions, refusals of the page's policy."""
        return [
            event["params"]
            for event in self.events
            if event["method"] in TROUBLE
            or (
                event["method"] == "Runtime.consoleAPICalled"
                and event["params"]["type"] in ("error", "warning", "assert")
            )
        ]

    def close(self):
        try:
            self.session = None
            self.send("Browser.close")
        finally:
            self.process.wait(SECONDS)
            os.close(self.output)
            os.close(self.input)
            shutil.rmtree(self.folder, ignore_errors=True)


def pipe():
    """A pipe whose descriptors are above those that the browser's own must get."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high
