# shellcheck shell=sh
# What job-wrapper.sh and quick-script.sh share: how a script of a package is started.

# unescape TEXT: sets VALUE to what `printf %b` makes of it, trailing newlines included.
unescape() {
  VALUE=$(printf '%bx' "$1")
  VALUE=${VALUE%x}
}

# The environment that a script starts from, whatever the login or sudo left in ours.
plain_environment() {
  own_uid=$(id -u)
  while IFS=: read -r _ _ passwd_uid _ _ passwd_home _; do
    [ "$passwd_uid" != "$own_uid" ] || HOME=$passwd_home
  done </etc/passwd
  export HOME="${HOME:-/}"
  unset SSH_CONNECTION SSH_CLIENT SSH_TTY SUDO_USER SUDO_UID SUDO_GID SUDO_COMMAND LANG LANGUAGE TMPDIR ENV
}
