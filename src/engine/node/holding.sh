# shellcheck shell=sh disable=SC2154
# What a node has of a run, so that others can judge whether the run was here. Changes nothing.
#
# list STATE          the runs whose end the node has not seen
# proof STATE RUN     the plan, the jobs of the run
# copy STATE RUN      the same and the journal
# Each tells the state directory and who claimed the lock last.

# last_claim: the newest claim that counts, held or released; and the newest number of all.
last_claim() {
  epoch_now
  emit last "$LAST"
  [ "$EPOCH" != 0 ] || return 0
  emit_file claim "$S/lock/e$EPOCH/run" 300
  [ -e "$S/lock/e$EPOCH/released" ] || report held
}

open_runs() {
  count=0
  for plan in "$S"/runs/*/plan.json; do
    plan=${plan%/plan.json}
    if [ ! -f "$plan/plan.json" ] || [ -e "$plan/closed" ]; then continue; fi
    count=$((count + 1))
    [ "$count" -le 1000 ] || break
    emit run "${plan##*/}"
  done
}

jobs_of() {
  count=0
  for job in "$S/jobs/$1".*; do
    [ -d "$job" ] || continue
    count=$((count + 1))
    [ "$count" -le 1000 ] || break
    emit job "${job##*/}"
  done
}

state_path "$2"
emit state "$S"
last_claim
case $1 in
  list) open_runs ;;
  proof | copy)
    jobs_of "$3"
    emit_whole plan "$S/runs/$3/plan.json" 16777216
    [ "$1" = proof ] || emit_whole journal "$S/runs/$3/journal.jsonl" 67108864
    ;;
esac
