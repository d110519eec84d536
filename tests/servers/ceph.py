"""Ceph's object gateway on a cluster of one monitor and one disk: an S3 that people run in production."""

from __future__ import annotations

import signal
import subprocess
import uuid
from http.client import HTTPConnection
from pathlib import Path

from .base import apt_install, free_port
from .s3 import S3Server

__all__ = ["CephServer"]

_PACKAGES = ("radosgw", "ceph-mon", "ceph-osd", "ceph-mgr", "ceph-common")
_SECONDS = 120.0
_CONFIGURATION = """
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{monitor}
mon initial members = a
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
public addr = 127.0.0.1
ms bind ipv6 = false
keyring = {folder}/keyring
run dir = {folder}/run
admin socket = {folder}/run/$cluster-$name.$pid.asok
pid file = {folder}/run/$name.pid
log file = {folder}/run/$name.log
crash dir = {folder}/run
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail warn = 1
mon data avail crit = 1
mon osd full ratio = 0.99
mon osd nearfull ratio = 0.98
mon osd backfillfull ratio = 0.985
osd failsafe full ratio = 0.995
[mon.a]
mon data = {folder}/mon
[osd.0]
osd data = {folder}/osd
osd objectstore = bluestore
bluestore block size = 6442450944
bluestore block db create = false
bluestore block wal create = false
osd memory target = 1073741824
osd max object name len = 1024
osd class update on start = false
osd crush update on start = false
[client.rgw]
rgw data = {folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw thread pool size = 64
rgw enable usage log = false
rgw enable ops log = false
"""


class CephServer(S3Server):
    """``http://127.0.0.1:PORT``; started from nothing in about 20 s, and again on its data in less.

    Attributes:
        gateway: the process that speaks S3.
        disk: the process that keeps the objects.
    """

    name = "ceph"

    def __init__(self) -> None:
        super().__init__()
        self.gateway: subprocess.Popen[bytes] | None = None
        self.disk: subprocess.Popen[bytes] | None = None
        self._monitor = free_port()

    @classmethod
    def install(cls) -> None:
        """From Debian."""
        for program in _PACKAGES[:3]:
            apt_install(program, *_PACKAGES)

    def start(self) -> None:
        """Make the cluster if there is none yet, start its processes, and let the gateway make its pools."""
        new = not (self.folder / "ceph.conf").exists()
        if new:
            self._create()
        self._spawn("ceph-mon", "-i", "a")
        if new:
            self._ceph("osd", "new", str(self._disk_id), "0")
            self._ceph("osd", "crush", "add-bucket", "h0", "host")
            self._ceph("osd", "crush", "move", "h0", "root=default")
            self._ceph("osd", "crush", "add", "osd.0", "1.0", "host=h0")
            self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", str(self._disk_id))
        self.start_disk()
        if new:
            keys = (
                f"--access-key={self.options['access_key_id']}",
                f"--secret-key={self.options['secret_access_key']}",
            )
            self._run("radosgw-admin", "user", "create", "--uid=test", "--display-name=test", *keys)
        self.start_gateway()
        if new:
            self._warm_up()

    def start_gateway(self) -> None:
        """Start the S3 gateway (again)."""
        self.gateway = self._spawn("radosgw", "-n", "client.rgw")
        self.wait(self._answers, _SECONDS)

    def start_disk(self) -> None:
        """Start the object store daemon (again)."""
        self.disk = self._spawn("ceph-osd", "-i", "0")

    def kill_gateway(self) -> None:
        """End the S3 gateway alone, by SIGKILL."""
        self._kill(self.gateway)

    def kill_disk(self) -> None:
        """End the object store daemon alone, by SIGKILL; requests then hang until it is there again."""
        self._kill(self.disk)

    def _warm_up(self) -> None:
        """The first bucket, object and upload in parts take seconds each: their pools are made when needed."""
        client, bucket = self.client(), self.create_bucket("warm-up")
        client.put_object(Bucket=bucket, Key="k", Body=b"x")
        upload = client.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
        client.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")
        client.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)

    def _kill(self, process: subprocess.Popen[bytes] | None) -> None:
        assert process is not None, "the server was not started"
        process.send_signal(signal.SIGKILL)
        process.wait()
        self._processes.remove(process)

    def _answers(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        finally:
            connection.close()

    def _create(self) -> None:
        folder, fsid = self.folder, uuid.uuid4()
        self._disk_id = uuid.uuid4()
        for name in ("mon", "osd", "rgw", "run"):
            (folder / name).mkdir()
        text = _CONFIGURATION.format(folder=folder, fsid=fsid, monitor=self._monitor, port=self.port)
        (folder / "ceph.conf").write_text(text)
        keyring, monmap = str(folder / "keyring"), str(folder / "monmap")
        everything = ("--cap", "osd", "allow *", "--cap", "mgr", "allow *")
        for name, *capabilities in (
            ("mon.", "--cap", "mon", "allow *"),
            ("client.admin", "--cap", "mon", "allow *", *everything),
            ("osd.0", "--cap", "mon", "allow profile osd", *everything),
            ("client.rgw", "--cap", "mon", "allow rw", "--cap", "osd", "allow rwx"),
        ):
            create = () if Path(keyring).exists() else ("--create-keyring",)
            _call("ceph-authtool", *create, keyring, "--gen-key", "-n", name, *capabilities)
        _call("monmaptool", "--create", "--fsid", str(fsid), "--addv", "a", f"[v2:127.0.0.1:{self._monitor}]", monmap)
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", monmap, "--keyring", keyring)

    def _spawn(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A daemon in the foreground, so that it is a child and ends with the tests."""
        return self.spawn([apt_install(program, *_PACKAGES), "-c", self.folder / "ceph.conf", "-f", *arguments])

    def _ceph(self, *arguments: str) -> None:
        self._run("ceph", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        _call(program, "-c", str(self.folder / "ceph.conf"), *arguments)


def _call(program: str, *arguments: str) -> None:
    command = [apt_install(program, *_PACKAGES), *arguments]
    done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr.decode(errors='replace')[-2000:]}")
