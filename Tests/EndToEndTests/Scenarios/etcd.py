"""Real etcd on loopback: one member without anything, or three with TLS, client certificates and a role.

As a module: `with Etcd(1) as etcd` or `Etcd(3)`. As a command, for tests that are not written in Python:
`etcd.py 1|3` prints a line of JSON when the members serve, does what each line of its input says (see `obey`), answers
each with a line of JSON, and ends the members at `end` or when its input ends.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PREFIX = 'squire/'
ROOT, USER = ('root', 'root-password'), ('squire', 'squire-password')


def is_installed():
    return shutil.which('etcd') is not None and shutil.which('etcdctl') is not None


def free_ports(count):
    """Ports that nobody listened on a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(('127.0.0.1', 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Etcd:
    """`urls` of the members; files of the PKI by `file`, with three members only: `ca.pem`, `nocn.pem` and `nocn.key`
    (what the gateway takes), `cn.pem` and `cn.key` (what it refuses)."""

    def __init__(self, members=1, authentication=True, extra=()):
        self.scheme = 'https' if members > 1 else 'http'
        self.authentication = authentication and members > 1
        self.directory = tempfile.mkdtemp(prefix='squire-etcd-')
        self.extra = list(extra)
        ports = free_ports(2 * members)
        self.clients, self.peers = ports[:members], ports[members:]
        self.processes = [None] * members
        self.urls = [f'{self.scheme}://127.0.0.1:{port}' for port in self.clients]
        try:
            if members > 1:
                self.make_files()
            for number in range(members):
                self.start(number)
            self.wait()
            if self.authentication:
                self.make_role()
        except BaseException:
            self.end()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def file(self, name):
        return os.path.join(self.directory, name)

    # What members are started with.

    def make_files(self):
        def openssl(*arguments):
            subprocess.run(['openssl', *arguments], check=True, capture_output=True, cwd=self.directory)

        key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
        openssl('req', '-x509', *key, '-days', '2', '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=lab authority')
        for name, subject, usage in [
            ('server', '/CN=etcd', 'serverAuth,clientAuth'),
            ('cn', '/CN=squire', 'clientAuth'),
            ('nocn', '/O=squire host', 'clientAuth'),
        ]:
            openssl('req', *key, '-keyout', f'{name}.key', '-out', f'{name}.csr', '-subj', subject)
            with open(self.file(f'{name}.ext'), 'w', encoding='utf8') as file:
                file.write(f'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage={usage}\n')
            openssl('x509', '-req', '-in', f'{name}.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial',
                    '-days', '2', '-extfile', f'{name}.ext', '-out', f'{name}.pem')

    def start(self, number, from_file=False):
        """With a configuration file, which makes etcd ignore all options: the JSON gateway is off then. Without TLS."""
        peer = [f'{self.scheme}://127.0.0.1:{port}' for port in self.peers]
        data = self.file(f'member{number}')
        tls = []
        if self.scheme == 'https':
            for kind in ['', 'peer-']:
                tls += [f'--{kind}cert-file', self.file('server.pem'), f'--{kind}key-file', self.file('server.key'),
                        f'--{kind}trusted-ca-file', self.file('ca.pem'), f'--{kind}client-cert-auth']
        settings = {
            'name': f'member{number}', 'data-dir': data, 'logger': 'zap',
            'listen-client-urls': self.urls[number], 'advertise-client-urls': self.urls[number],
            'listen-peer-urls': peer[number], 'initial-advertise-peer-urls': peer[number],
            'initial-cluster': ','.join(f'member{n}={url}' for n, url in enumerate(peer)),
            'initial-cluster-state': 'existing' if os.path.isdir(data) else 'new',
        }
        options = [part for key, value in settings.items() for part in (f'--{key}', value)]
        if from_file:
            with open(self.file('etcd.yaml'), 'w', encoding='utf8') as file:
                json.dump(settings, file)
            options, tls = ['--config-file', self.file('etcd.yaml')], []
        with open(self.file(f'member{number}.log'), 'ab') as log:
            self.processes[number] = subprocess.Popen(
                ['etcd', *options, *tls, *self.extra], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)

    def wait(self, seconds=30):
        """Until a linearizable read works."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.ctl('get', PREFIX, user=ROOT if self.authentication and self.has_role else None)
                return
            except subprocess.SubprocessError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    has_role = False

    def make_role(self):
        for arguments in [
            ('role', 'add', 'root'), ('user', 'add', ':'.join(ROOT)), ('user', 'grant-role', 'root', 'root'),
            ('role', 'add', 'squire'), ('role', 'grant-permission', 'squire', '--prefix=true', 'readwrite', PREFIX),
            ('user', 'add', ':'.join(USER)), ('user', 'grant-role', 'squire', 'squire'), ('auth', 'enable'),
        ]:
            self.ctl(*arguments)
        self.has_role = True

    def ctl(self, *arguments, user=None, timeout=20, urls=None):
        """What etcdctl prints; it asks the members with these `urls`, or all."""
        tls = []
        if self.scheme == 'https':
            tls = ['--cacert', self.file('ca.pem'), '--cert', self.file('cn.pem'), '--key', self.file('cn.key')]
        who = ['--user', ':'.join(user)] if user else []
        command = ['etcdctl', '--endpoints', ','.join(urls or self.urls), '--command-timeout=5s', *tls, *who, *arguments]
        done = subprocess.run(command, check=True, capture_output=True, timeout=timeout,
                              env={**os.environ, 'ETCDCTL_API': '3'})
        return done.stdout.decode()

    def root(self, *arguments):
        return self.ctl(*arguments, user=ROOT if self.has_role else None)

    def leader(self):
        """The number of the member that leads."""
        status = json.loads(self.root('endpoint', 'status', '-w', 'json'))
        leader = next(one['Endpoint'] for one in status
                      if one['Status']['leader'] == one['Status']['header']['member_id'])
        return self.urls.index(leader)

    # What happens to members.

    def save(self):
        """Keeps what the engine has, for `restore`."""
        path = self.file('snapshot.db')
        if os.path.exists(path):
            os.unlink(path)
        self.root('snapshot', 'save', path)

    def restore(self):
        """The one member is what it was at `save`, with the numbers of that time: what an operator does with a backup."""
        self.kill(0)
        data = self.file('member0')
        shutil.rmtree(data)
        peer = f'{self.scheme}://127.0.0.1:{self.peers[0]}'
        self.root('snapshot', 'restore', self.file('snapshot.db'), '--data-dir', data, '--name', 'member0',
                  '--initial-cluster', f'member0={peer}', '--initial-advertise-peer-urls', peer)
        self.start(0)
        self.wait()

    def kill(self, number):
        self.processes[number].kill()
        self.processes[number].wait()

    def signal(self, number, what):
        self.processes[number].send_signal(what)

    def end(self):
        for process in self.processes:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def obey(self, line):
        """One command: `kill N`, `start N`, `configure N`, `stop N`, `continue N`, `leader`, `wait`, `save`, `restore`,
        `ctl ARGUMENT…`."""
        word, *rest = line.split()
        if word == 'kill':
            return self.kill(int(rest[0]))
        if word == 'start':
            return self.start(int(rest[0]))
        if word == 'configure':
            return self.start(int(rest[0]), from_file=True)
        if word in ('save', 'restore'):
            return self.save() if word == 'save' else self.restore()
        if word in ('stop', 'continue'):
            return self.signal(int(rest[0]), signal.SIGSTOP if word == 'stop' else signal.SIGCONT)
        if word == 'leader':
            return str(self.leader())
        if word == 'wait':
            return self.wait()
        if word == 'ctl':
            return self.root(*rest)
        raise ValueError(f'unknown command {word}')


def main():
    with Etcd(int(sys.argv[1])) as etcd:
        print(json.dumps({'urls': etcd.urls, 'directory': etcd.directory}), flush=True)
        for line in sys.stdin:
            if line == 'end\n':
                break
            try:
                print(json.dumps({'ok': etcd.obey(line) or ''}), flush=True)
            except (subprocess.SubprocessError, ValueError, OSError, StopIteration) as error:
                print(json.dumps({'error': f'{error!r} {getattr(error, "stderr", "")!r}'}), flush=True)


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
