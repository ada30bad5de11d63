"""An SFTP server of asyncssh on loopback, for machines without OpenSSH's.

`python sftp_server.py PORT HOST_KEY AUTHORIZED_KEYS` serves the whole file system to those keys.
"""

import asyncio
import errno
import os
import sys

import asyncssh


class WholeWrites(asyncssh.SFTPServer):
    """What is written in part, as when the disk becomes full, is an error."""

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        """Write as the base class does, which takes a part for the whole."""
        written = super().write(file_obj, offset, data)
        if written != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written


async def serve(port: int, host_key: str, authorized_keys: str) -> None:
    """Serve until killed."""
    await asyncssh.listen(
        "127.0.0.1",
        port,
        server_host_keys=[host_key],
        authorized_client_keys=authorized_keys,
        sftp_factory=WholeWrites,
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), *sys.argv[2:]))
