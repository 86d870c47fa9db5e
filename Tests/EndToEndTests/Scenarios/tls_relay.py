"""TLS before a server on loopback that speaks none, for tests that are not written in Python.

`tls_relay.py PORT` prints a line of JSON: the port that speaks TLS for PORT, and a directory with `ca.pem`, which signed
its certificate, and `other.pem`, which did not. It ends when its input does.
"""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading


def make_files(directory):
    def openssl(*arguments):
        subprocess.run(['openssl', *arguments], check=True, capture_output=True, cwd=directory)

    key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    for name in ('ca', 'other'):
        openssl('req', '-x509', *key, '-days', '2', '-keyout', f'{name}.key', '-out', f'{name}.pem', '-subj', f'/CN={name}')
    openssl('req', *key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=server')
    with open(os.path.join(directory, 'server.ext'), 'w') as file:
        file.write('subjectAltName=IP:127.0.0.1\n')
    openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2',
            '-extfile', 'server.ext', '-out', 'server.pem')


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(client, context, port):
    try:
        client = context.wrap_socket(client, server_side=True)
        server = socket.create_connection(('127.0.0.1', port))
    except OSError:
        client.close()
        return
    threading.Thread(target=copy, args=(server, client), daemon=True).start()
    copy(client, server)


def accept(listener, context, port):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, context, port), daemon=True).start()


def main():
    directory = tempfile.mkdtemp(prefix='squire-tls-')
    try:
        make_files(directory)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(directory, 'server.pem'), os.path.join(directory, 'server.key'))
        listener = socket.create_server(('127.0.0.1', 0))
        threading.Thread(target=accept, args=(listener, context, int(sys.argv[1])), daemon=True).start()
        print(json.dumps({'port': listener.getsockname()[1], 'directory': directory}), flush=True)
        sys.stdin.read()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == '__main__':
    main()
