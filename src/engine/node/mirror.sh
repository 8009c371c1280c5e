# shellcheck shell=sh disable=SC2153,SC2154
# The copy of a run's plan and journal on a node, so that another machine can read it and take over.
#
# write STATE RUN EPOCH PLANSIZE OFFSET JOURNALSIZE CLOSED   stdin: plan, then journal from OFFSET; tells the size it has now
# list STATE
# read STATE RUN
# used STATE            the restore points that open runs name, and the run that holds the lock

# Only the later epoch writes a run that was taken over, even if another run holds the lock now.
own_mirror() {
  last=0
  { read -r last <"$R/epoch"; } 2>/dev/null || :
  [ "$epoch" -ge "$last" ] || die fenced "run $run is led by a later process"
  [ "$epoch" = "$last" ] || printf '%s\n' "$epoch" | put "$R/epoch"
}

write() {
  run=$2 epoch=$3 plan=$4 offset=$5 size=$6 closed=$7
  [ -d "$S/runs" ] || die state-create "there is no state directory $S"
  R=$S/runs/$run
  mkdir -p "$R"
  own_mirror
  piece=$R/.piece.$$
  trap 'rm -f "$piece"' EXIT
  cat >"$piece"
  [ "$(($(wc -c <"$piece")))" = "$((plan + size))" ] || die mirror-offset "the journal arrived cut short"
  if [ "$plan" != 0 ]; then head -c "$plan" "$piece" | put "$R/plan.json"; fi
  journal=$R/journal.jsonl
  had=0
  [ ! -f "$journal" ] || had=$(($(wc -c <"$journal")))
  if [ "$had" -lt "$offset" ]; then
    emit size "$had"
    return 0
  fi
  if [ "$had" = "$offset" ]; then
    tail -c "+$((plan + 1))" "$piece" >>"$journal"
  else
    # Sent before, as far as an answer was lost; or another end, which a takeover cut off.
    { head -c "$offset" "$journal" && tail -c "+$((plan + 1))" "$piece"; } | put "$journal"
  fi
  if [ "$closed" = yes ]; then
    sync_path "$journal"
    : >"$R/closed"
    sync_path "$R/closed" "$R"
  elif [ -e "$R/closed" ]; then
    # What was stopped, or told as over by a process that did not know better, goes on.
    rm -f "$R/closed"
  fi
  emit size "$((offset + size))"
}

# points_of RUN: every id of a restore point in its plan and its journal, also in those of a newer version.
points_of() {
  grep -ohE '[0-9]{8}T[0-9]{6}Z-[A-Za-z0-9][A-Za-z0-9._-]*-[0-9a-f]{6}' "$S/runs/$1/plan.json" "$S/runs/$1/journal.jsonl" 2>/dev/null |
    sort -u | head -n 10000 || :
}

used() {
  epoch_now
  held=
  if [ "$EPOCH" != 0 ] && [ ! -e "$S/lock/e$EPOCH/released" ]; then
    held=$(cat "$S/lock/e$EPOCH/run")
    emit held "$held"
  fi
  for each in "$S"/runs/*/plan.json; do
    [ -f "$each" ] || continue
    run=${each%/plan.json}
    run=${run##*/}
    if [ -e "$S/runs/$run/closed" ] && [ "$run" != "$held" ]; then continue; fi
    emit run "$run"
    # A plan that does not name its run is torn: it says nothing about points.
    emit whole "$(grep -qF -e "\"run\": \"$run\"" -e "\"run\":\"$run\"" "$each" && echo yes || echo no)"
    emit points "$(points_of "$run")"
  done
}

state_path "$2"
mode=$1
shift
case $mode in
  write) write "$@" ;;
  list)
    for each in "$S"/runs/*/plan.json; do
      [ -f "$each" ] || continue
      each=${each%/plan.json}
      emit run "${each##*/}"
      emit open "$([ -e "$each/closed" ] && echo no || echo yes)"
    done
    ;;
  used) used ;;
  read)
    [ -f "$S/runs/$2/plan.json" ] || die run-unknown "there is no run $2"
    emit_whole plan "$S/runs/$2/plan.json" 16777216
    emit_whole journal "$S/runs/$2/journal.jsonl" 67108864
    ;;
esac
