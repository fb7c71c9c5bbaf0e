"""What S3 and botocore say when something is wrong, as sentences."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from botocore import exceptions as failed
from botocore.parsers import ResponseParserError

from etcdtui.errors import (
    AuthFailed,
    ConfigError,
    Dropped,
    EtcdTuiError,
    Forbidden,
    NotFound,
    TimedOut,
    UnexpectedOutput,
)
from etcdtui.offsite.http import fault, transport_fault
from etcdtui.offsite.store import StoreFault, StoreFull, WrongDigest
from etcdtui.text import clean

_STAYS = "The local copy stays; it can be sent again."
_NO_LOGIN = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of ~/.aws/credentials."

_WRONG_LOGIN = {
    "InvalidAccessKeyId": "It does not know this access key: check which one boto finds, and the profile.",
    "SignatureDoesNotMatch": "The secret key does not belong to the access key, or a proxy changes requests.",
    "ExpiredToken": "The login has run out: log in again.",
    "InvalidToken": "The session token is not valid: log in again.",
    "RequestTimeTooSkewed": "The clock of this machine is wrong: set it.",
}
_FULL = {
    "QuotaExceeded",
    "XMinioStorageFull",
    "XMinioAdminBucketQuotaExceeded",
    "InsufficientStorage",
    "InsufficientCapacity",
}
_TOO_LARGE = {"EntityTooLarge", "MaxMessageLengthExceeded"}
_ELSEWHERE = {
    "PermanentRedirect",
    "TemporaryRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
}
_NAMED_WRONGLY = {"NoSuchBucket", "InvalidBucketName"}
_DAMAGED = {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"}


@contextlib.contextmanager
def s3_faults(store: str, host: str, what: str) -> Iterator[None]:
    """Turns what botocore raises in its block into a sentence that begins with ``what``."""
    try:
        yield
    except failed.ClientError as exc:
        raise client_fault(store, what, exc.response) from exc
    except (failed.NoCredentialsError, failed.PartialCredentialsError) as exc:
        raise AuthFailed(f"{what}: no credentials for {store} are found.", _NO_LOGIN) from exc
    except failed.ProfileNotFound as exc:
        raise ConfigError(f"{what}: {clean(str(exc), 200)}.", "Check the profile of the store.") from exc
    except (
        failed.CredentialRetrievalError,
        failed.TokenRetrievalError,
        failed.UnauthorizedSSOTokenError,
        failed.SSOError,
    ) as exc:
        raise AuthFailed(f"{what}: {clean(str(exc), 200)}.", "Log in again; see the profile.") from exc
    except failed.IncompleteReadError as exc:
        raise Dropped(f"{what}: {host} closed the connection early.", _STAYS) from exc
    except (failed.ReadTimeoutError, failed.ConnectTimeoutError) as exc:
        raise TimedOut(f"{what}: {host} does not answer.", _STAYS) from exc
    except ResponseParserError as exc:
        raise UnexpectedOutput(
            f"{what}: {host} does not answer as S3 does.", "Check the endpoint, and the proxy before it."
        ) from exc
    except (failed.HTTPClientError, failed.ConnectionError) as exc:
        inner = exc.kwargs.get("error")
        if not isinstance(inner, Exception):
            raise Dropped(f"{what}: {clean(str(exc), 200)}.", _STAYS) from exc
        raise transport_fault(what, host, inner) or inner from exc
    except (failed.BotoCoreError, ValueError) as exc:  # ValueError: an endpoint that is no URL
        raise ConfigError(f"{what}: {clean(str(exc), 200)}.", "Check the keys of the store.") from exc


def client_fault(store: str, what: str, answer: Mapping[str, Any]) -> EtcdTuiError:
    """The error of an answer of S3 that is no success."""
    error, meta = answer.get("Error", {}), answer.get("ResponseMetadata", {})
    code, status = str(error.get("Code", "")), int(meta.get("HTTPStatusCode", 0))
    headers = meta.get("HTTPHeaders", {})
    said = "" if code == str(status) else f"{code}: {error.get('Message') or ''}".strip(": ")
    text = f"{what}: {store} answers {status}{f' ({clean(said, 200)})' if said else ''}."
    if code in _WRONG_LOGIN:
        return AuthFailed(text, _WRONG_LOGIN[code])
    if code in _FULL:
        return StoreFull(text, f"It is full: make room there, or raise the quota. {_STAYS}")
    if code in _TOO_LARGE:
        return StoreFull(text, "It takes no object so large: raise the limit there.", again=False)
    if code in _NAMED_WRONGLY:
        return NotFound(text, "Check bucket and endpoint; etcdtui makes no bucket.")
    if code in _ELSEWHERE or status in (301, 302, 307):
        region = clean(str(error.get("Region") or headers.get("x-amz-bucket-region") or ""), 60)
        where = f"Name region = {region!r}." if region else "Check region and endpoint."
        return ConfigError(text, where)
    if code in _DAMAGED:
        return WrongDigest(text, f"What arrived there is not what was sent. {_STAYS}")
    if status == 403:
        return Forbidden(
            text,
            "The login needs s3:PutObject, s3:GetObject, s3:DeleteObject, s3:AbortMultipartUpload, "
            "and s3:ListBucket: without it S3 answers 403 for what is not there.",
        )
    if status == 401:
        return AuthFailed(text, _NO_LOGIN)
    if status == 400 and not said:
        return StoreFault(text, "Check region and login; S3 gives no reason here.", again=False)
    if status == 404:
        return NotFound(text, "Check endpoint and bucket.")
    if status >= 500 and status != 507 and not said:
        return StoreFault(text, f"It has a problem of its own, or it is no S3: check the endpoint. {_STAYS}")
    return fault(store, what, status, said, "", headers)
