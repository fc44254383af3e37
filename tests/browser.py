"""A headless Chromium without network, driven over a pipe.

Speaks the DevTools protocol (NUL-terminated JSON on file descriptors 3 and 4),
so it needs nothing but the browser itself.
"""

import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import time
from typing import Any

_NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')
_FLAGS = (
  '--headless',
  '--no-sandbox',  # the tests may run as root
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP * ~NOTFOUND',
  '--remote-debugging-pipe',
)
_TIMEOUT_S = 60.0


def find() -> str | None:
  """The path of a browser, if there is one."""
  return next(filter(None, map(shutil.which, _NAMES)), None)


class Browser:
  """One page.

  Attributes:
    complaints: What the page's console says, but for plain notes; exceptions.
    requests: Addresses that it asked for.
  """

  def __init__(self, path: str, profile: pathlib.Path, size: tuple[int, int]):
    command_read, self._command = os.pipe()
    self._answer, answer_write = os.pipe()
    self._process = subprocess.Popen(
      # A shell only to give the pipes their numbers.
      ['bash', '-c', f'exec "$@" 3<&{command_read} 4>&{answer_write}', '-',
       path, *_FLAGS, f'--user-data-dir={profile}',
       '--window-size={},{}'.format(*size), 'about:blank'],
      pass_fds=(command_read, answer_write),
      stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL,
      env={**os.environ, 'DBUS_SESSION_BUS_ADDRESS': 'disabled:'},
    )  # fmt: skip
    os.close(command_read)
    os.close(answer_write)
    self._buffer = b''
    self._number = 0
    self._session: str | None = None
    self.complaints: list[str] = []
    self.requests: list[str] = []
    targets = self.call('Target.getTargets')['targetInfos']
    page = next(t['targetId'] for t in targets if t['type'] == 'page')
    attached = self.call('Target.attachToTarget', targetId=page, flatten=True)
    self._session = attached['sessionId']
    for domain in ('Page', 'Runtime', 'Log', 'Network'):
      self.call(f'{domain}.enable')
    self.call(
      'Network.emulateNetworkConditions', offline=True, latency=0,
      downloadThroughput=0, uploadThroughput=0,
    )  # fmt: skip

  def call(self, method: str, **params: Any) -> dict[str, Any]:
    """Gives a command and waits for its answer."""
    self._number += 1
    message = {'id': self._number, 'method': method, 'params': params}
    if self._session:
      message['sessionId'] = self._session
    os.write(self._command, json.dumps(message).encode() + b'\0')
    while True:
      answer = self._next()
      if answer.get('id') == self._number:
        assert 'error' not in answer, f'{method}: {answer["error"]}'
        return answer['result']

  def _next(self) -> dict[str, Any]:
    """The next answer or event; events are noted."""
    end = time.monotonic() + _TIMEOUT_S
    while b'\0' not in self._buffer:
      left = end - time.monotonic()
      ready = left > 0 and select.select([self._answer], [], [], left)[0]
      data = os.read(self._answer, 1 << 16) if ready else b''
      assert data, 'the browser does not answer'
      self._buffer += data
    text, _, self._buffer = self._buffer.partition(b'\0')
    message = json.loads(text)
    params = message.get('params', {})
    match message.get('method'):
      case 'Runtime.exceptionThrown':
        self.complaints.append(str(params['exceptionDetails']))
      case 'Runtime.consoleAPICalled' if params['type'] != 'log':
        self.complaints.append(str(params['args']))
      case 'Log.entryAdded' if params['entry']['level'] == 'error':
        self.complaints.append(str(params['entry']))
      case 'Network.requestWillBeSent':
        self.requests.append(params['request']['url'])
    return message

  def open(self, page: pathlib.Path) -> None:
    """Opens a file and waits until it is loaded."""
    self.call('Page.navigate', url=page.resolve().as_uri())
    while self._next().get('method') != 'Page.loadEventFired':
      pass

  def run(self, expression: str) -> Any:
    """The value of a JavaScript expression."""
    answer = self.call(
      'Runtime.evaluate', expression=expression, returnByValue=True
    )
    assert 'exceptionDetails' not in answer, answer['exceptionDetails']
    return answer['result'].get('value')

  def move(self, x: float, y: float) -> None:
    """Moves the mouse to a point of the window."""
    self.call('Input.dispatchMouseEvent', type='mouseMoved', x=x, y=y)

  def press(self, key: str) -> None:
    """Presses and releases a named key, like ArrowDown."""
    for kind in ('keyDown', 'keyUp'):
      self.call('Input.dispatchKeyEvent', type=kind, key=key)

  def write(self, text: str) -> None:
    """Types text where the focus is."""
    self.call('Input.insertText', text=text)

  def screenshot(self, path: pathlib.Path) -> None:
    """Writes what the window shows as PNG."""
    image = self.call('Page.captureScreenshot')['data']
    path.write_bytes(base64.b64decode(image))

  def close(self) -> None:
    """Ends the browser."""
    self._process.terminate()
    self._process.wait(_TIMEOUT_S)
    os.close(self._command)
    os.close(self._answer)
