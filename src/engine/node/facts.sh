# shellcheck shell=sh disable=SC2154
# Everything that the checks want to know of a node, in one go. Writes nothing.
# STATE COMMANDS PATHS word…      COMMANDS names or paths of programs, then PATHS paths whose free space is asked for

# name=value lines, values with or without quotes (os-release(5)). Read as data, never sourced.
os_release() {
  for release in /etc/os-release /usr/lib/os-release; do
    [ -r "$release" ] || continue
    head -c 16384 "$release" | while IFS= read -r release_line; do
      case $release_line in
        ID=* | ID_LIKE=* | VERSION_ID=* | PRETTY_NAME=*) emit "os" "$release_line" ;;
      esac
    done
    return 0
  done
}

# space PATH: sets FREE (bytes) and MOUNT of the file system where it lies. The mount point may hold blanks.
space() {
  FREE=0 MOUNT=
  existing "$1"
  # shellcheck disable=SC2153
  space_line=$(df -Pk "$NEAREST" 2>/dev/null | tail -n 1) || return 0
  set -f
  # shellcheck disable=SC2086
  set -- $space_line
  set +f
  # Device, blocks, used, available, capacity, mount point; the device may hold blanks, too.
  while [ $# -ge 6 ]; do
    case $5 in
      *%)
        FREE=$(($4 * 1024))
        MOUNT=${space_line#*"$4"*% }
        return 0
        ;;
    esac
    shift
  done
}

# mount_options POINT: sets OPTIONS; /proc escapes blanks as \040. The last mount of a place is the one that counts.
mount_options() {
  OPTIONS=
  [ -r /proc/self/mounts ] || return 0
  while read -r _ mount_point _ mount_options _; do
    case $mount_point in *\\*) mount_point=$(printf '%b' "$(printf %s "$mount_point" | sed 's/\\/\\0/g')") ;; esac
    [ "$mount_point" != "$1" ] || OPTIONS=$mount_options
  done </proc/self/mounts
}

login_user() {
  login=${SUDO_USER:-${DOAS_USER:-$(id -un)}} home=
  while IFS=: read -r passwd_name _ _ _ _ passwd_home _; do
    [ "$passwd_name" != "$login" ] || home=$passwd_home
  done </etc/passwd
  # Users of a directory service are not in that file.
  [ -n "$home" ] || home=$(getent passwd "$login" 2>/dev/null | cut -d : -f 6) || :
  [ -n "$home" ] || home=${HOME:-/}
  emit user "$login"
  emit home "$home"
}

kills_user_processes() {
  kills=$(busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager \
    KillUserProcesses 2>/dev/null) || kills=
  if [ -z "$kills" ]; then
    kills=$(cat /etc/systemd/logind.conf /etc/systemd/logind.conf.d/*.conf 2>/dev/null |
      sed -n 's/^[[:space:]]*KillUserProcesses[[:space:]]*=[[:space:]]*//p' | tail -n 1) || :
  fi
  case $kills in
    *true* | yes | on | 1) emit kills yes ;;
  esac
}

state_facts() {
  foreign=
  emit state-path "$S"
  existing "$S"
  # Columns of ls -in: inode, mode, links, uid.
  # shellcheck disable=SC2012
  nearest=$(ls -ldinL "$NEAREST" | { read -r inode _ _ uid _; printf '%s %s' "$inode" "$uid"; })
  emit state-inode "${nearest% *}"
  if [ -d "$S" ]; then
    emit state-exists yes
    [ "${nearest#* }" = "$(id -u)" ] || foreign=yes
    state_link_is_ours || foreign=yes
    [ -z "$foreign" ] || emit state-foreign yes
  fi
  space "$S"
  mount_options "$MOUNT"
  case ,$OPTIONS, in *,noexec,*) emit state-noexec yes ;; esac
  case ,$OPTIONS, in *,ro,*) emit state-readonly yes ;; esac
}

tar_facts() {
  command -v tar >/dev/null 2>&1 || return 0
  emit tar "$(tar --version 2>&1 | head -n 1 | head -c 200)"
  help=$(tar --help 2>&1 | head -c 65536) || :
  case $help in *--acls*) emit tar-can acls ;; esac
  case $help in *--xattrs*) emit tar-can xattrs ;; esac
  case $help in *--format* | *--posix*) emit tar-can posix ;; esac
}

installed() {
  for product in "$S"/installed/*; do
    [ -d "$product" ] || continue
    count=$((count + 1))
    [ "$count" -le 20 ] || break
    emit product "${product##*/}"
    emit_file record "$product/record.json" 65536
    emit_file manifest "$product/manifest.json" 262144
    [ ! -d "$product/files" ] || emit files "$product/files"
  done
}

staged() {
  for package in "$S"/packages/*; do
    [ -d "$package" ] || continue
    emit package "${package##*/}"
    [ ! -f "$package/image.iso" ] || emit size "$(($(wc -c <"$package/image.iso")))"
    [ ! -f "$package/image.iso.part" ] || emit part "$(($(wc -c <"$package/image.iso.part")))"
    [ ! -d "$package/files" ] || emit unpacked yes
  done
}

open_jobs() {
  count=0
  for job in "$S"/jobs/*; do
    if [ ! -d "$job" ] || [ -e "$job/rc" ]; then continue; fi
    job_state "$job"
    [ "$STATE" != ended ] || continue
    count=$((count + 1))
    [ "$count" -le 200 ] || break
    emit job "${job##*/}"
    emit_file job-run "$job/run" 300
    emit job-state "$STATE"
  done
}

# A state directory of somebody else is a finding, not a refusal; nothing in it is read.
# shellcheck disable=SC2034
STATE_ANY=yes
state_path "$1"
commands=$2
shift 3
# Busybox and others may not know %N.
nanos=$(date +%s%N)
case $nanos in *[!0-9]* | ??????????) nanos=$(date +%s)500000000 ;; esac
emit time "${nanos%??????}"
emit hostname "$(uname -n)"
emit arch "$(uname -m)"
emit kernel "$(uname -sr)"
emit boot "$BOOT"
os_release
login_user
[ "$(id -u)" != 0 ] || emit root yes
[ ! -d /run/systemd/system ] || emit systemd yes
[ ! -d /run/systemd/system ] || kills_user_processes
state_facts
while [ "$commands" -gt 0 ]; do
  case $1 in
    /*) if [ -f "$1" ] && [ -x "$1" ]; then emit has "$1"; fi ;;
    *) if command -v "$1" >/dev/null 2>&1; then emit has "$1"; fi ;;
  esac
  commands=$((commands - 1))
  shift
done
for path in "$S" "$home" "$@"; do
  case $path in "~") path=$home ;; "~"/*) path=$home/${path#??} ;; esac
  space "$path"
  emit path "$path"
  emit free "$FREE"
  emit mount "$MOUNT"
done
tar_facts
[ -z "$foreign" ] || exit 0
for kind in provision reboot; do emit_file "request-$kind" "$S/requests/$kind" 4096; done
count=0
installed
staged
open_jobs
for run in "$S"/runs/*; do
  if [ -f "$run/plan.json" ] && [ ! -e "$run/closed" ]; then emit open-run "${run##*/}"; fi
done
emit_file changed "$S/lock/changed" 400
epoch_now
if [ "$EPOCH" != 0 ]; then emit_file last-claim "$S/lock/e$EPOCH/run" 300; fi
if [ "$EPOCH" != 0 ] && [ ! -e "$S/lock/e$EPOCH/released" ]; then report held; fi
