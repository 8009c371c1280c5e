# shellcheck shell=sh disable=SC2154
# The copy of a run's plan and journal on a node, so that another machine can read it and take over.
#
# write STATE RUN EPOCH PLANSIZE OFFSET JOURNALSIZE CLOSED   stdin: plan, then journal from OFFSET; tells the size it has now
# list STATE
# read STATE RUN

# emit_whole KEY PATH MAX: a file as an entry, without holding it in a variable.
emit_whole() {
  [ -f "$2" ] || return 0
  whole=$(($(wc -c <"$2")))
  [ "$whole" -le "$3" ] || whole=$3
  printf '%s %s\n' "$1" "$whole"
  head -c "$whole" "$2"
  echo
}

# A run that was taken over is written by the later epoch only, whoever holds the lock by now.
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
  read)
    [ -f "$S/runs/$2/plan.json" ] || die run-unknown "there is no run $2"
    emit_whole plan "$S/runs/$2/plan.json" 16777216
    emit_whole journal "$S/runs/$2/journal.jsonl" 67108864
    ;;
esac
