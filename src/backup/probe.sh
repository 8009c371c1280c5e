# shellcheck shell=sh disable=SC2154
# What must be known of a node before a backup or a restore; changes nothing. Goes after lib.sh and tar.sh.
# STATE MINUTES LOCATION PATH…    MINUTES: counts what changed in the paths since then; 0: does not look
# LOCATION: the directory of the location on the node, or nothing

# resolved PATH: sets REAL to the path with all its links followed, as far as it is there.
resolved() {
  real_up=$1 real_rest=
  while [ ! -d "$real_up/" ]; do
    real_rest=/${real_up##*/}$real_rest
    real_up=${real_up%/*}
  done
  REAL=$(cd -P "$real_up/" 2>/dev/null && pwd -P) || REAL=$real_up
  [ "$REAL" != / ] || REAL=
  REAL=$REAL$real_rest
}

# real_of PATH: sets REAL to the path with the links of its parent directories followed.
real_of() {
  resolved "${1%/*}"
  REAL=$REAL/${1##*/}
}

# space_of PATH: sets FREE (KiB) and DEVICE (what df calls the mount point) for the nearest directory that is there.
space_of() {
  space_at=${1%/*}
  while [ ! -d "$space_at/" ]; do space_at=${space_at%/*}; done
  set -- "$(df -Pk "$space_at/" | awk 'NR == 2 { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+%$/) { at = $(i + 1); for (j = i + 2; j <= NF; j++) at = at " " $j; print $(i - 1) " " at; exit } }')"
  FREE=${1%% *}
  DEVICE=${1#* }
}

# way_of PATH: can a restore work beside the path, and where does it keep things meanwhile (swap.sh)?
way_of() {
  if ! enter "${1%/*}"; then
    emit unsafe "$WHY"
    return 0
  fi
  way_parent=${HERE:-/} way_stage=$NEAREST way_missing=$MISSING
  if [ "$TAR" != gnu ] && [ "$way_missing" = no ] && [ -d "./${1##*/}" ] && [ ! -L "./${1##*/}" ]; then
    [ -z "$(open_directory "${1##*/}")" ] || emit loose yes
  fi
  cd /
  [ -n "$way_stage" ] || return 0
  space_of "${way_parent%/}/x"
  way_device=$DEVICE
  space_of "${way_stage%/}/x"
  [ "$DEVICE" != "$way_device" ] || emit stage "$way_stage"
}

state_path "$2"
minutes=$3 location=$4
shift 4
resolved "$S"
emit state-real "$REAL"
if [ -n "$location" ]; then
  resolved "$location"
  emit location-real "$REAL"
fi
space_of "$S/x"
emit state-free-kb "$FREE"
emit state-device "$DEVICE"
tar_facts
emit tar "$TAR"
emit lost "$LOST"
while read -r _ mount_at mount_type _; do
  emit mount "$mount_type $mount_at"
done </proc/mounts
for path in "$@"; do
  emit path "$path"
  real_of "$path"
  emit real "$REAL"
  space_of "$path"
  emit free-kb "$FREE"
  emit device "$DEVICE"
  way_of "$path"
  if exists "$path"; then
    emit kb "$(du -sk "$path" 2>/dev/null | cut -f 1)"
    [ "$minutes" = 0 ] || emit changed "$(($(find "$path" -mmin "-$minutes" 2>/dev/null | head -n 10000 | wc -l)))"
  fi
done
