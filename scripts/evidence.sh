#!/usr/bin/env bash
# The training runs behind configs/claims.yaml, one after the other, at low priority.
#   bash scripts/evidence.sh CLONE RUNS DATA [ROW ...]
# CLONE is a checkout at a fixed commit, RUNS a folder outside of it; DATA holds
#   cifar10/{train,test}/<class>/*   and   tiny_imagenet/{train,val,wnids.txt}
# Rows, in this order, with the config that says what each asks:
#   2  supervised, simclr and gsimclr on CIFAR-10, --variant faithful (G-SimCLR's table)
#   3  classify_vit_cifar10, classify_pit_cifar10        4  classify_resnet18_cifar10, few labels
#   6  contrast_scatsimclr8_cifar10, contrast_resnet18_cifar10      8  guided_cifar10
#   1  ssal_tiny25k, supervised_tiny25k                  5  classify_resnet18_cifar10
#   9  cluster_*_cifar10                                 7  contrast_scatsimclr8_cifar10, rotation
#   on request: 0 (ssal_tiny100, annealed), 5r (noise), 7c (as much arithmetic without the task)
# What is finished is skipped; a run that was cut off goes on. Keep the numbers with
#   python -m ssl_tf.report RUNS --only --keep results/NAME.jsonl
# PYTHON   the interpreter (default: python3)
# PRECISION  of rows 6, 8, 1, 9, 7 (default float32; mixed_bfloat16 once row 4 has shown that
#            both agree). Rows 2, 3, 4 and 5 are float32.
# TINY     values that make everything short, to try the script: "train.epochs=1 ..."
# SEEDS2   seeds of G-SimCLR's plain and guided arms (default "0")
set -uo pipefail
CLONE=$(cd "$1" && pwd); mkdir -p "$2"; RUNS=$(cd "$2" && pwd); DATA=$(cd "$3" && pwd); shift 3
PY=${PYTHON:-python3}; PRECISION=${PRECISION:-float32}; NOW=float32
export TF_CPP_MIN_LOG_LEVEL=3 PYTHONPATH=$CLONE
cd "$CLONE"
C=$DATA/cifar10 T=$DATA/tiny_imagenet E=configs/evidence
exec 9> "$RUNS/rows.lock"; flock -n 9 || { echo "evidence.sh runs already in $RUNS" >&2; exit 2; }

say() { echo "$(date '+%F %T') $*" | tee -a "$RUNS/rows.log"; }
ssl() { nice -n 10 "$PY" -m "ssl_tf.$1" "${@:2}"; }

# gave_up WHAT: after a failure; an interrupted command ends the script, the state is saved
gave_up() { local code=$?; say "FAILED ($code) $1"; [ $code -lt 130 ] || exit $code; return 1; }

# train FOLDER DATADIR ARGUMENTS...: unless it is done; FOLDER below RUNS
train() {
  local folder=$RUNS/$1 data=$2; shift 2
  [ -f "$folder/last.weights.h5" ] && return 0
  say "train $folder"
  [ $NOW = float32 ] || set -- "$@" --precision $NOW
  ssl train --runs "$RUNS" --datadir "$data" "$@" ${TINY:+--set $TINY} || gave_up "$folder"
}

# judge FOLDER DATADIR SPLIT EVALUATION [ARGUMENTS...]: unless the run has it
judge() {
  local folder=$RUNS/$1 data=$2 split=$3 what=$4; shift 4
  "$PY" - "$folder/results.jsonl" "$what" "$split" <<'P' && return 0
import json, sys
try: rows = [json.loads(x) for x in open(sys.argv[1])]
except OSError: rows = []
sys.exit(not any((r["evaluation"], r["split"]) == tuple(sys.argv[2:]) for r in rows))
P
  say "evaluate $folder $what $split"
  ssl evaluate "$folder" "$what" --datadir "$data" --split "$split" "$@" > /dev/null || gave_up "$folder $what"
}

# best EVALUATION METRIC RATE=FOLDER ...: the rate whose held-out value is highest
best() {
  "$PY" - "$RUNS" "$@" <<'P'
import json, sys
root, what, metric, *places = sys.argv[1:]
found = {}
for place in places:
    rate, folder = place.split("=")
    rows = [json.loads(x) for x in open(f"{root}/{folder}/results.jsonl")]
    found[rate] = [r["values"][metric] for r in rows if (r["evaluation"], r["split"]) == (what, "validation")][-1]
print({k: round(v, 4) for k, v in found.items()}, file=sys.stderr)
print(max(found, key=found.get))
P
}

# search METHOD NAME CONFIG VARIANT DATADIR EVALUATION METRIC "RATES" [ARGUMENTS...] -> $RATE
search() {
  local method=$1 name=$2 config=$3 variant=$4 data=$5 what=$6 metric=$7 rates=$8 places=() rate; shift 8
  for rate in $rates; do
    local own=${name}_rate_${rate}_$variant
    train $method/$own/seed0 "$data" --config $E/$config.yaml --variant $variant --seed 0 \
      --name $own --set optimizer.learning_rate=$rate "$@" || return 1
    [ $what = terms ] || judge $method/$own/seed0 "$data" validation $what || return 1
    places+=("$rate=$method/$own/seed0")
  done
  RATE=$(best $what $metric "${places[@]}" 2>> "$RUNS/rows.log") || return 1
  say "search $name $variant: $RATE"
}

row2() {  # about 11 h: 0.3 + 2.9 + 3.8 + 3.9
  local F s
  train supervised/cifar_resnet20_cifar10_faithful/seed0 $C --method supervised --arch cifar_resnet20 --dataset cifar10 --variant faithful --seed 0
  for s in ${SEEDS2:-0}; do
    for F in simclr gsimclr; do
      train $F/cifar_resnet38_cifar10_faithful/seed$s $C --method $F --arch cifar_resnet38 --dataset cifar10 --variant faithful --seed $s || continue
      for e in linear_gsimclr finetune linear knn; do judge $F/cifar_resnet38_cifar10_faithful/seed$s $C test $e; done
    done
  done
  NOW=$PRECISION  # the mended arm
  train gsimclr/cifar_resnet38_cifar10/seed0 $C --method gsimclr --arch cifar_resnet38 --dataset cifar10 --seed 0 &&
    for e in linear_gsimclr finetune linear knn; do judge gsimclr/cifar_resnet38_cifar10/seed0 $C test $e; done
  NOW=float32
}

row3() {  # about 3 h: searches 50 min, then 22 + 11 min a seed and 12 + 5 of `same`
  local n s R S
  for n in vit pit; do
    search supervised classify_${n}_cifar10 classify_${n}_cifar10 search $C terms accuracy "2.5e-4 5.0e-4 1.0e-3 2.0e-3" || continue; R=$RATE
    train simsiam/pretrain_${n}_cifar10_search/seed0 $C --config $E/pretrain_${n}_cifar10.yaml --variant search --seed 0 || continue
    search supervised classify_${n}_cifar10_simsiam classify_${n}_cifar10 search $C terms accuracy "2.5e-4 5.0e-4 1.0e-3 2.0e-3" \
      --init $RUNS/simsiam/pretrain_${n}_cifar10_search/seed0 || continue; S=$RATE
    for s in 0 1 2; do
      train simsiam/pretrain_${n}_cifar10/seed$s $C --config $E/pretrain_${n}_cifar10.yaml --seed $s || continue
      judge simsiam/pretrain_${n}_cifar10/seed$s $C test linear
      train supervised/classify_${n}_cifar10_simsiam/seed$s $C --config $E/classify_${n}_cifar10.yaml --seed $s \
        --name classify_${n}_cifar10_simsiam --init $RUNS/simsiam/pretrain_${n}_cifar10/seed$s --set optimizer.learning_rate=$S
      train supervised/classify_${n}_cifar10/seed$s $C --config $E/classify_${n}_cifar10.yaml --seed $s --set optimizer.learning_rate=$R
      for v in long same; do
        train supervised/classify_${n}_cifar10_$v/seed$s $C --config $E/classify_${n}_cifar10.yaml --variant $v --seed $s --set optimizer.learning_rate=$R
      done
    done
  done
}

pretrained() {  # SEED [NAME]: SimSiam on ResNet-18, shared by rows 4 and 5
  train simsiam/${2:-pretrain_resnet18_cifar10}/seed$1 $C --config $E/pretrain_resnet18_cifar10.yaml --seed $1 ${2:+--name $2}
}

few() {  # TAG: row 4 in the precision $NOW, runs called ..._TAG
  local tag=$1 v s R S P=pretrain_resnet18_cifar10$1 K=classify_resnet18_cifar10
  for s in 0 1 2; do pretrained $s ${tag:+$P} || return 1; done
  for v in few10 few5; do
    [ -n "$tag" ] && [ $v = few5 ] && continue
    NOW=float32  # rates are searched once
    search supervised $K $K ${v}_search $C terms accuracy "0.01 0.03 0.1" || return 1; R=$RATE
    search supervised ${K}_simsiam $K ${v}_search $C terms accuracy "0.01 0.03 0.1" --init $RUNS/simsiam/pretrain_resnet18_cifar10/seed0 || return 1; S=$RATE
    [ -n "$tag" ] && NOW=mixed_bfloat16
    for s in 0 1 2; do
      train supervised/${K}${tag}_$v/seed$s $C --config $E/$K.yaml --variant $v --seed $s --name ${K}${tag}_$v --set optimizer.learning_rate=$R
      train supervised/${K}_simsiam${tag}_$v/seed$s $C --config $E/$K.yaml --variant $v --seed $s --name ${K}_simsiam${tag}_$v \
        --init $RUNS/simsiam/$P/seed$s --set optimizer.learning_rate=$S
    done
  done
}

row4() {  # about 1.4 h in float32, 0.8 h more for few10 in mixed_bfloat16
  NOW=float32; few ""
  NOW=mixed_bfloat16; few _bf16; NOW=float32
}

row5() {  # about 1.8 h after row 4: searches 50 min, then 4 + 4 + 16 min a seed
  local s R L S K=classify_resnet18_cifar10; NOW=float32
  search supervised $K $K search $C terms accuracy "0.05 0.1 0.2" || return 1; R=$RATE
  search supervised $K $K same_search $C terms accuracy "0.05 0.1 0.2" || return 1; L=$RATE
  train simsiam/pretrain_resnet18_cifar10_search/seed0 $C --config $E/pretrain_resnet18_cifar10.yaml --variant search --seed 0 || return 1
  search supervised ${K}_simsiam $K search $C terms accuracy "0.05 0.1 0.2" --init $RUNS/simsiam/pretrain_resnet18_cifar10_search/seed0 || return 1; S=$RATE
  for s in 0 1 2; do
    pretrained $s || continue
    train supervised/${K}_simsiam/seed$s $C --config $E/$K.yaml --seed $s --name ${K}_simsiam --init $RUNS/simsiam/pretrain_resnet18_cifar10/seed$s --set optimizer.learning_rate=$S
    train supervised/${K}_same/seed$s $C --config $E/$K.yaml --variant same --seed $s --set optimizer.learning_rate=$L
    train supervised/$K/seed$s $C --config $E/$K.yaml --seed $s --set optimizer.learning_rate=$R
  done
}

row5r() {  # if there is time, about 1 h: pre-training on noise, with the rate of the arm from SimSiam
  local s S K=classify_resnet18_cifar10; NOW=float32
  search supervised ${K}_simsiam $K search $C terms accuracy "0.05 0.1 0.2" --init $RUNS/simsiam/pretrain_resnet18_cifar10_search/seed0 || return 1; S=$RATE
  for s in 0 1 2; do
    train simsiam/pretrain_resnet18_cifar10_random/seed$s $C --config $E/pretrain_resnet18_cifar10.yaml --variant random --seed $s || continue
    train supervised/${K}_noise/seed$s $C --config $E/$K.yaml --seed $s --name ${K}_noise --init $RUNS/simsiam/pretrain_resnet18_cifar10_random/seed$s --set optimizer.learning_rate=$S
  done
}

contrast() {  # CONFIG VARIANT SEED RATE
  local own=$1${2:+_$2}
  train scatsimclr/$own/seed$3 $C --config $E/$1.yaml ${2:+--variant $2} --seed $3 --set optimizer.learning_rate=$4 || return 1
  for e in linear linear_scatsimclr knn; do judge scatsimclr/$own/seed$3 $C test $e; done
}

rates6() {  # the searches of row 6 -> $A $B $D
  local g="3.0e-4 1.0e-3 3.0e-3"
  search scatsimclr contrast_scatsimclr8_cifar10 contrast_scatsimclr8_cifar10 search $C linear accuracy "$g" && A=$RATE &&
  search scatsimclr contrast_resnet18_cifar10 contrast_resnet18_cifar10 search $C linear accuracy "$g" && B=$RATE &&
  search scatsimclr contrast_resnet18_cifar10 contrast_resnet18_cifar10 width32_search $C linear accuracy "$g" && D=$RATE
}

row6() {  # about 2.6 h: searches 40 min, then 3 x 13 min a seed
  local s; NOW=$PRECISION; rates6 || return 1
  for s in 0 1 2; do
    contrast contrast_scatsimclr8_cifar10 "" $s $A; contrast contrast_resnet18_cifar10 "" $s $B; contrast contrast_resnet18_cifar10 width32 $s $D
  done
}

row7() {  # about 2 h after row 6: 39 min a seed
  local s; NOW=$PRECISION; rates6 || return 1
  for s in 0 1 2; do contrast contrast_scatsimclr8_cifar10 "" $s $A; contrast contrast_scatsimclr8_cifar10 rotation $s $A; done
}

row7c() {  # if there is time, about 2 h: as much arithmetic without the task
  local s; NOW=$PRECISION; rates6 || return 1
  for s in 0 1 2; do contrast contrast_scatsimclr8_cifar10 long $s $A; done
}

row8() {  # about 3.4 h: 4 + 3 x 15 min a seed
  local s; NOW=$PRECISION
  for s in 0 1 2 3; do
    train simclr/guided_cifar10_plain/seed$s $C --config $E/guided_cifar10.yaml --variant plain --seed $s
    train gsimclr/guided_cifar10/seed$s $C --config $E/guided_cifar10.yaml --seed $s
    train gsimclr/guided_cifar10_placebo/seed$s $C --config $E/guided_cifar10.yaml --variant placebo --seed $s
    for f in simclr/guided_cifar10_plain gsimclr/guided_cifar10 gsimclr/guided_cifar10_placebo; do
      [ -f $RUNS/$f/seed$s/last.weights.h5 ] || continue
      for e in linear finetune knn; do judge $f/seed$s $C test $e; done
    done
  done
}

row0() {  # about 45 min: SSAL's short pair, annealed to 0; then the strong branches on held-out images
  NOW=$PRECISION
  train supervised/supervised_tiny100_annealed/seed0 $T --config $E/supervised_tiny100.yaml --variant annealed --seed 0
  train ssal/ssal_tiny100_annealed/seed0 $T --config $E/ssal_tiny100.yaml --variant annealed --seed 0 && judge ssal/ssal_tiny100_annealed/seed0 $T test combination
  train ssal/ssal_tiny100_search+strong/seed0 $T --config $E/ssal_tiny100.yaml --variant search+strong --seed 0
}

row1() {  # about 6 h: searches 70 min, then 33 + 62 min a seed
  local s R S; NOW=$PRECISION
  search supervised supervised_tiny25k supervised_tiny25k search $T terms accuracy "0.03 0.09 0.18" || return 1; R=$RATE
  search ssal ssal_tiny25k ssal_tiny25k search $T terms joint_accuracy "0.03 0.09 0.18" || return 1; S=$RATE
  for s in 0 1 2; do
    train supervised/supervised_tiny25k/seed$s $T --config $E/supervised_tiny25k.yaml --seed $s --set optimizer.learning_rate=$R
    train ssal/ssal_tiny25k/seed$s $T --config $E/ssal_tiny25k.yaml --seed $s --set optimizer.learning_rate=$S && judge ssal/ssal_tiny25k/seed$s $T test combination
  done
}

row9() {  # about 7.2 h: searches 50 min, then 36 + 36 + 20 + 30 min a seed
  local s Q N L S; NOW=$PRECISION
  search self_classifier cluster_self_classifier_cifar10 cluster_self_classifier_cifar10 search $C clustering ami "1.0e-3 2.0e-3 4.0e-3" || return 1; Q=$RATE
  search self_classifier cluster_self_classifier_cifar10 cluster_self_classifier_cifar10 no_queue_search $C clustering ami "1.0e-3 2.0e-3 4.0e-3" || return 1; N=$RATE
  search simclr cluster_simclr_cifar10 cluster_simclr_cifar10 search $C kmeans ami "0.1 0.2 0.4" || return 1; L=$RATE
  search simsiam cluster_simsiam_cifar10 cluster_simsiam_cifar10 search $C kmeans ami "0.25 0.5 1.0" || return 1; S=$RATE
  arm() {
    train $1/$2/seed$5 $C --config $E/$3.yaml ${4:+--variant $4} --seed $5 --set optimizer.learning_rate=$6 || return 1
    for e in clustering kmeans linear knn; do [ $e$1 = clusteringsimclr ] || [ $e$1 = clusteringsimsiam ] || judge $1/$2/seed$5 $C test $e; done
  }
  for s in 0 1 2; do
    arm self_classifier cluster_self_classifier_cifar10 cluster_self_classifier_cifar10 "" $s $Q
    arm self_classifier cluster_self_classifier_cifar10_no_queue cluster_self_classifier_cifar10 no_queue $s $N
  done
  for s in 0 1 2; do
    arm simclr cluster_simclr_cifar10 cluster_simclr_cifar10 "" $s $L
    arm simsiam cluster_simsiam_cifar10 cluster_simsiam_cifar10 "" $s $S
  done
}

rows=${*:-2 3 4 6 8 1 5 9 7}
for row in $rows; do say "row $row begins"; row$row; say "row $row ends ($?)"; done
