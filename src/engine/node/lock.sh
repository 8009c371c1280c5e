# shellcheck shell=sh disable=SC2154
# The lock of a node. lock/e<n>/ is a claim: made whole by one rename, never changed hands, never counted down.
# The highest one that was not withdrawn tells who holds the lock; `released` in it tells that nobody does.
# lock/owner.json is what people and other tools look at: it is there while the lock is held.
#
# A claim with `trying` in it is one of several that its run needs: it may be given back before anything is done.
# `node` in it is the name of the node: a claim of the same run under another name is not the caller's.
#
# take STATE RUN TOKEN OWNER LEAST STALE WHY EXPECTED TRYING NODE | beat STATE RUN EPOCH[:NODE] COMPLETE
# release STATE RUN EPOCH[:NODE] | show STATE STALE | break STATE EXPECTED REASON STALE

write_beat() {
  now
  # A name of its own: a run may beat twice at once, by its clock and before a step.
  printf '%s %s %s\n' "$BOOT" "$UP" "$WALL" >"$1/beat.new.$$"
  mv -f "$1/beat.new.$$" "$1/beat"
}

write_view() {
  sed 's/}$/,"heartbeat":'"$WALL"'}/' "$S/lock/e$1/owner.json" >"$S/lock/owner.json.new.$$"
  mv -f "$S/lock/owner.json.new.$$" "$S/lock/owner.json"
}

# The view of a beat may come after the lock was given back or taken over: it goes again then, or becomes the holder's.
keep_view() {
  write_view "$1"
  epoch_now
  if [ "$EPOCH" = 0 ] || [ -e "$S/lock/e$EPOCH/released" ]; then
    rm -f "$S/lock/owner.json"
  elif [ "$EPOCH" != "$1" ]; then
    now
    write_view "$EPOCH"
  fi
}

# May the holder be taken over? Only the one that the caller saw, and never past a living job of another run.
may_take() {
  [ "$EPOCH" = "$expected" ] || return 1
  case $why in
    dead) ;;
    stale)
      age "$EPOCH"
      [ "$AGE" -ge "$stale" ] || return 1
      ;;
    *) return 1 ;;
  esac
  holder=$(cat "$S/lock/e$EPOCH/run")
  [ "$holder" != "$run" ] || return 0
  jobs_alive "$holder"
  [ -z "$ALIVE" ]
}

# other_name N: is the claim, held or released, one of this run under another node's name? Sets NAMED.
other_name() {
  NAMED='' named_run=''
  { read -r NAMED <"$S/lock/e$1/node" && read -r named_run <"$S/lock/e$1/run"; } 2>/dev/null || return 1
  # Claims of earlier versions name no node.
  [ "$named_run" = "$run" ] && [ -n "$node" ] && [ -n "$NAMED" ] && [ "$NAMED" != "$node" ]
}

# report_other N: who has it, and what proves that the caller's own process does.
report_other() {
  report other-name
  emit named "$NAMED"
  named_token=
  { read -r named_token <"$S/lock/e$1/token"; } 2>/dev/null || :
  emit token "$named_token"
  emit boots "$([ "$beat_boot" = "$BOOT" ] && echo same || echo differ)"
}

# prepare_claim N: the claim's content, on the disk before it counts.
prepare_claim() {
  new=$S/lock/.claim.$$
  rm -rf "$new"
  mkdir "$new"
  printf '%s\n' "${owner%\}},\"epoch\":$1}" >"$new/owner.json"
  printf '%s\n' "$run" >"$new/run"
  printf '%s\n' "$token" >"$new/token"
  printf '%s %s\n' "$LAST" "$had_jobs" >"$new/before"
  printf '%s\n' "$node" >"$new/node"
  [ -z "$trying" ] || : >"$new/trying"
  write_beat "$new"
  sync_path "$new/owner.json" "$new/run" "$new/token" "$new/before" "$new/node" "$new/beat" "$new"
}

# claim_epoch N: true when the prepared claim is the one that counts now.
claim_epoch() {
  claim "$new" "$S/lock/e$1" || return 1
  sync_path "$S/lock"
  # A claim below the newest one can only come from a taker that slept while old claims were swept.
  epoch_now
  [ "$EPOCH" = "$1" ]
}

# withdraw N: gives a claim back to whom it was taken from.
withdraw() {
  : >"$S/lock/e$1/withdrawn"
  sync_path "$S/lock/e$1/withdrawn" "$S/lock/e$1"
}

# tell_before N: what was here before the claim. It stands in the claim, so that a repeated call tells the same.
tell_before() {
  before_last=0 before_jobs=no
  { read -r before_last before_jobs <"$S/lock/e$1/before"; } 2>/dev/null || :
  emit last "$before_last"
  emit jobs "$before_jobs"
}

take() {
  had_jobs=no
  [ ! -d "$S/jobs" ] || had_jobs=yes
  run=$2 token=$3 owner=$4 least=$5 stale=$6 why=$7 expected=$8 trying=${9:-} node=${10:-}
  state_make
  # Made again by now: a call that only learns who holds the lock must not hide from the next one what was lost.
  [ ! -e "$S/lock/jobs-lost" ] || had_jobs=no
  [ $had_jobs = yes ] || : >"$S/lock/jobs-lost"
  for attempt in 1 2 3 4 5; do
    epoch_now
    before=$EPOCH from=
    if other_name "$before"; then
      report_other "$before"
      return 0
    fi
    if [ "$before" -gt 0 ] && [ ! -e "$S/lock/e$before/released" ]; then
      if [ "$(cat "$S/lock/e$before/token")" = "$token" ]; then
        emit result taken
        emit epoch "$before"
        tell_before "$before"
        return 0
      fi
      if ! may_take; then
        report held
        return 0
      fi
      from=$(cat "$S/lock/e$before/run")
    fi
    next=$((LAST + 1))
    [ "$next" -ge "$least" ] || next=$least
    prepare_claim "$next"
    claim_epoch "$next" || continue
    if [ -n "$from" ] && [ "$from" != "$run" ]; then
      # A job that was claimed before its launcher could see our claim runs; one claimed after it refuses itself.
      jobs_alive "$from"
      if [ -n "$ALIVE" ]; then
        withdraw "$next"
        epoch_now
        report held
        return 0
      fi
    fi
    now
    write_view "$next"
    rm -f "$S/lock/jobs-lost"
    sweep "$next"
    emit result "$([ "$from" = "$run" ] && echo reentered || echo taken)"
    emit epoch "$next"
    tell_before "$next"
    return 0
  done
  die lock-busy "others took the lock in $S before us $attempt times"
}

# sweep N: claims long past. The one before stays for a process that is reading it.
sweep() {
  for swept in "$S"/lock/e*; do
    swept_n=${swept##*/e}
    case $swept_n in *[!0-9]* | '') continue ;; esac
    [ "$swept_n" -ge $(($1 - 1)) ] || rm -rf "$swept"
  done
}

set_free() {
  printf '%s\n' "$2" >"$S/lock/e$1/released"
  sync_path "$S/lock/e$1/released" "$S/lock/e$1"
  rm -f "$S/lock/owner.json"
}

refuse_while_alive() {
  jobs_alive "$1"
  [ -z "$ALIVE" ] || die lock-jobs-alive "jobs of run $1 still run: $(printf %s "$ALIVE" | tr '\n' ' ')"
}

state_path "$2"
case $1 in
  take)
    shift
    take "$@"
    ;;
  beat)
    fence "$3" "$4"
    [ "${5-complete}" != complete ] || rm -f "$S/lock/e$EPOCH/trying"
    write_beat "$S/lock/e$EPOCH"
    keep_view "$EPOCH"
    ;;
  release)
    if holds "$3" "$4"; then
      refuse_while_alive "$3"
      set_free "$EPOCH" "released by its run"
    elif [ "$EPOCH" = "${4%%:*}" ] && [ -e "$S/lock/e$EPOCH/released" ]; then
      # By a call that was cut off before it took the view away.
      rm -f "$S/lock/owner.json"
    fi
    ;;
  show)
    epoch_now
    if [ "$EPOCH" = 0 ] || [ -e "$S/lock/e$EPOCH/released" ]; then
      emit result free
      emit epoch "$LAST"
    else
      report held
    fi
    ;;
  break)
    epoch_now
    [ "$EPOCH" = "$3" ] || die lock-changed "the lock in $S has changed hands meanwhile"
    if [ "$EPOCH" != 0 ] && [ ! -e "$S/lock/e$EPOCH/released" ]; then
      refuse_while_alive "$(cat "$S/lock/e$EPOCH/run")"
      set_free "$EPOCH" "unlocked $4"
    fi
    ;;
esac
