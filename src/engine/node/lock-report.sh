# shellcheck shell=sh disable=SC2154
# Who holds the lock, for lock.sh and facts.sh.

# Seconds since boot where there is /proc: setting the clock does not make a lock stale.
now() {
  WALL=$(date +%s)
  { read -r UP _ </proc/uptime; } 2>/dev/null || UP=$WALL
  UP=${UP%%.*}
}

# age EPOCH: sets AGE to the seconds since its last heartbeat, BEAT to its time.
age() {
  now
  beat_boot='' beat_up=0 BEAT=0
  { read -r beat_boot beat_up BEAT <"$S/lock/e$1/beat"; } 2>/dev/null || :
  if [ "$beat_boot" = "$BOOT" ]; then
    AGE=$((UP - beat_up))
    return 0
  fi
  # Another boot: since the machine came up, at most.
  AGE=$((WALL - BEAT))
  [ "$AGE" -ge 0 ] && [ "$AGE" -le "$UP" ] || AGE=$UP
}

# report RESULT: the holder, after epoch_now.
report() {
  held=$S/lock/e$EPOCH
  held_run=$(cat "$held/run")
  age "$EPOCH"
  jobs_alive "$held_run"
  emit result "$1"
  emit epoch "$EPOCH"
  emit_file owner "$held/owner.json" 65536
  emit heartbeat "$BEAT"
  emit age "$AGE"
  emit jobs "$ALIVE"
  [ ! -e "$S/runs/$held_run/closed" ] || emit closed 1
  [ ! -e "$held/trying" ] || emit trying 1
}
