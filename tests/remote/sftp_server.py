"""An SFTP server of asyncssh on loopback, for machines without OpenSSH's.

`python sftp_server.py PORT HOST_KEY AUTHORIZED_KEYS` serves the whole file system to those keys.
"""

import asyncio
import sys

import asyncssh


async def serve(port: int, host_key: str, authorized_keys: str) -> None:
    """Serve until killed."""
    await asyncssh.listen(
        "127.0.0.1",
        port,
        server_host_keys=[host_key],
        authorized_client_keys=authorized_keys,
        sftp_factory=True,
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), *sys.argv[2:]))
