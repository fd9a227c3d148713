# SPDX-License-Identifier: BSD-2-Clause
# How the cases start guests and judge them, and what these are given. Sourced by run. PATIENCE: how many times as long as
# elsewhere a guest may take (1), for a machine that is emulated.
patience=${PATIENCE:-1}

truncate -s 1M "$tmp/disk"
head -c 100000 /dev/urandom >"$tmp/initrd"

# guest NAME OPTIONS...: the guest's output in $tmp/out, lkvm's own in $tmp/err; no default network, and virtio-mmio,
# which most of these guests drive
guest() {
	local name=$1 memory="-m 16" transport="--transport mmio"; shift
	case " $* " in *" -m "*) memory= ;; esac
	case " $* " in *" --transport "*) transport= ;; esac
	timeout -k 5 $((60 * patience)) "$LKVM" run -k "$GUESTS/$name" $memory $transport -n mode=none "$@" <"${stdin:-/dev/null}" \
		>"$tmp/out" 2>"$tmp/err"
	status=$?
}

# What count said: each number follows that of the line before.
unbroken() {
	local numbers
	numbers=$(grep -a '^[0-9a-f]\{16\}$' "$tmp/out")
	[ "${#numbers}" -gt 1700 ] &&
		[ "$numbers" = "$(printf '%016x\n' $(seq 0 $((${#numbers} / 17))))" ]
}

claim() {	# claim SENTENCE COMMAND...
	local sentence=$1
	shift
	if "$@"; then verdict ok "$sentence"; else verdict "not ok" "$sentence"; fi
}

# check NAME STATUS WORDS: did the last guest end so, having said so?
check() {
	if [ "$status" = "$2" ] && { [ -z "$3" ] || grep -qaF -- "$3" "$tmp/out"; }; then
		verdict ok "$1"
		return
	fi
	verdict "not ok" "$1"
	echo "    exit status $status instead of $2, or not said: $3"
	tail -n 5 "$tmp/out" "$tmp/err" | cut -c 1-200 | sed 's/^/    /'
}

# begin NAME GUEST OPTION...: in the background, its output in $tmp/NAME.out, its status in $tmp/NAME.status
begin() {
	local name=$1 guest=$2
	shift 2
	rm -f "$tmp/$name".*
	(
		timeout -k 5 $((100 * patience)) "$LKVM" run -k "$GUESTS/$guest" -m 16 -n mode=none --transport mmio --name "$name" "$@" </dev/null \
			>"$tmp/$name.out" 2>"$tmp/$name.err"
		echo $? >"$tmp/$name.status"
	) &
	eval "job_$name=\$!"
}
speaks() {	# speaks NAME WORDS: until it has said them
	for _ in $(seq 500); do
		! grep -qsaF -- "$2" "$tmp/$1.out" || return 0
		sleep 0.02
	done
	return 1
}
# over NAME: it has ended; its output and status are the last guest's
over() {
	eval "wait \$job_$1"
	cp "$tmp/$1.out" "$tmp/out"
	cp "$tmp/$1.err" "$tmp/err"
	status=$(cat "$tmp/$1.status")
}
ask() { timeout -k 5 $((60 * patience)) "$LKVM" "$@" >"$tmp/answer" 2>&1; }

# Beside each FAIL it says why.
conformance() {
	if GUESTS="$GUESTS" timeout -k 5 $((100 * patience)) "$(dirname "$0")/run-viommu-conformance" lkvm "$LKVM" \
			>"$tmp/out" 2>"$tmp/err"; then
		verdict ok "the conformance guest passes on lkvm"
		return
	fi
	verdict "not ok" "the conformance guest passes on lkvm"
	grep -ah FAIL "$tmp/out" "$tmp/err" | cut -c 1-200 | sed 's/^/    /'
}

# reset NAME WORDS [OPTIONS]: nothing may run after it
reset() {
	guest "$1" "${@:3}"
	if grep -qa "still here" "$tmp/out"; then status="0, but it went on,"; fi
	check "$2" 0 "reset"
}

# pci NAME FUNCTIONS OPTIONS: the host bridge is one of them
pci() {
	guest pci --transport pci "${@:3}"
	if grep -qa WRONG "$tmp/out"; then status="$(grep -a WRONG "$tmp/out")"; fi
	check "$1" 0 "functions: 000000000000000$2"
	check "and then, to its end" 0 "ok: a BAR that comes back works"
}

terminal() {	# terminal CASE SENTENCE
	if timeout -k 5 $((60 * patience)) "$(dirname "$0")/terminal" "$LKVM" "$GUESTS" "$1" >"$tmp/out" 2>&1; then
		verdict ok "$2"
	else
		verdict "not ok" "$2"
		tail -n 3 "$tmp/out" | sed 's/^/    /'
	fi
}

# command STEPS OPTION...: status, output and messages of the last one; its result in $tmp/result
command_run() {
	local steps=$1
	shift
	rm -f "$tmp/result"
	timeout -k 5 $((60 * patience)) "$LKVM" run -k "$GUESTS/command" -m 16 --transport mmio --result "$tmp/result" -p "do=$steps" "$@" -- true \
		<"${stdin:-/dev/null}" >"${stdout:-$tmp/out}" 2>"$tmp/err"
	status=$?
}

# ends SENTENCE STATUS VERDICT
command_ends() {
	if [ "$status" = "$2" ] && grep -qF "\"verdict\": \"$3\"" "$tmp/result" && grep -qF "\"status\": $2" "$tmp/result"; then
		verdict ok "$1"
	else
		verdict "not ok" "$1"
		echo "    exit status $status instead of $2, $3"
		cat "$tmp/result" "$tmp/err" | cut -c 1-200 | sed 's/^/    /'
	fi
}

is_text() { [ "$(cat "$tmp/$1")" = "$2" ]; }

# is_json: the result is JSON, and its text is printable
is_json() {
	if ! command -v python3 >/dev/null; then
		skip "$1" "no python3"
	elif python3 - "$tmp/result" <<-'END'
		import json, sys
		def look(value):
		    if isinstance(value, dict):
		        [look(x) for pair in value.items() for x in pair]
		    elif isinstance(value, list):
		        [look(x) for x in value]
		    elif isinstance(value, str):
		        assert all(" " <= c <= "~" or c in "\n\t" for c in value), value
		result = json.load(open(sys.argv[1], encoding="ascii"))
		look(result)
		for key in "verdict status exit_code signal reason kernel milliseconds console panic findings memory exits counters vcpus core".split():
		    assert key in result, key
		assert result["memory"]["peak"] > 0 and result["exits"]["exits"] > 0
	END
	then verdict ok "$1"; else verdict "not ok" "$1"; fi
}

has() { grep -qF -- "$2" "$tmp/$1"; }

# script PROGRAM SENTENCE CASE...: status 77 is a host that cannot play the part, 3 an end that came late. A machine that
# has no time for us makes it late once, lkvm would each time.
script() {
	local status=3
	for _ in 1 2 3 4 5; do
		timeout -k 5 $((100 * patience)) "$(dirname "$0")/$1" "$LKVM" "$GUESTS" "${@:3}" >"$tmp/out" 2>&1
		status=$?
		[ $status = 3 ] || break
	done
	case $status in
	0)	verdict ok "$2" ;;
	77)	skip "$2" "$(tail -n 1 "$tmp/out")" ;;
	*)	verdict "not ok" "$2"; tail -n 3 "$tmp/out" | cut -c 1-500 | sed 's/^/    /' ;;
	esac
}

# Until the end of this subject no other, be it of another checkout, makes a tap or looks for what is left of one.
taps_alone() { [ ! -r /dev/net/tun ] || { exec 8</dev/net/tun && flock -w 200 8; }; }
