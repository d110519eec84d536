"""What servers of S3 share: keys, and botocore's own client to look at them from outside."""

from __future__ import annotations

from typing import Any

from .base import Server

__all__ = ["S3Server"]


class S3Server(Server):
    """``http://127.0.0.1:PORT``, bucket in the path.

    Attributes:
        options: arguments of ``S3Store`` that reach it.
    """

    @property
    def options(self) -> dict[str, Any]:
        """Address and keys."""
        keys = {"access_key_id": "testkey", "secret_access_key": "testsecret"}
        return {"endpoint_url": self.address, "region": "us-east-1", **keys}

    def client(self) -> Any:
        """A blocking client of botocore that sends a request once."""
        import botocore.session
        from botocore.config import Config

        options = self.options
        return botocore.session.get_session().create_client(
            "s3",
            endpoint_url=options["endpoint_url"],
            region_name=options["region"],
            aws_access_key_id=options["access_key_id"],
            aws_secret_access_key=options["secret_access_key"],
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60),
        )

    def create_bucket(self, name: str) -> str:
        """Make a bucket; return its name."""
        self.client().create_bucket(Bucket=name)
        return name

    def uploads(self, bucket: str) -> list[str]:
        """Keys of the uploads in parts that were begun and are neither completed nor aborted."""
        return [upload["Key"] for upload in self.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])]
