#!/bin/sh
# Writes SHA256SUMS and SHA256SUMS.sig beside the files of a release.
#   RELEASE_SIGNING_KEY='<private key>' sh scripts/sign-release.sh DIR
set -eu
umask 077
dir=$1
[ -n "${RELEASE_SIGNING_KEY:-}" ] || {
  echo 'RELEASE_SIGNING_KEY is not set: a release is never published without a signature.' >&2
  exit 1
}
key=$(mktemp)
trap 'rm -f "$key"' EXIT
printf '%s\n' "$RELEASE_SIGNING_KEY" >"$key"
unset RELEASE_SIGNING_KEY
cd "$dir"
rm -f SHA256SUMS SHA256SUMS.sig
sha256sum -- * >SHA256SUMS
ssh-keygen -q -Y sign -n clusterlift -f "$key" SHA256SUMS
chmod 644 SHA256SUMS SHA256SUMS.sig
