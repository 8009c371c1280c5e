# shellcheck shell=sh disable=SC2034
# digest FILE: sets DIGEST. openssl is several times faster than coreutils where it is there.
digest() {
  if command -v openssl >/dev/null 2>&1; then
    DIGEST=$(openssl dgst -sha256 <"$1") && DIGEST=${DIGEST##* }
  elif command -v sha256sum >/dev/null 2>&1; then
    DIGEST=$(sha256sum <"$1") && DIGEST=${DIGEST%% *}
  else
    die stage-tools "neither openssl nor sha256sum is installed"
  fi
}
