#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs every tier of tests, or those named, and ends with one line of counts.
#
#   tests/run.sh [--list] [NAME...]     a NAME is a tier, or the part of one before a dash
#
# What is missing comes from Debian (as root): deploy/packages.txt and
# tests/packages.txt. Builds go to build-tests/, or below $BINNACLE_BUILDS. A tier
# whose tool cannot be had is skipped with its reason; with CI=true what needs
# programs in Go is not skipped on a machine that has Go.
set -uo pipefail

tree=$(cd "$(dirname "$0")/.." && pwd)
builds=${BINNACLE_BUILDS:-$tree/build-tests}
logs=$builds/logs
tiers="lint unit unit-asan unit-tsan unit-clang scenario fuzz fake program resolvers transfer reload dot trouble specification demo real swap ceilings memory differential"
python=/usr/bin/python3 # Debian's, which has Debian's modules
passed=0 failed=0 skipped=0
go_job=

describe() {
	cat <<-'END'
	lint        rules of the tree that no compiler checks, and their own test
	unit        unit tests, gcc
	unit-asan   the same under AddressSanitizer and UndefinedBehaviorSanitizer
	unit-tsan   the same under ThreadSanitizer
	unit-clang  the same, clang
	scenario    objects come and go, questions are asked; plain and under ASan
	fuzz        every fuzz target over its corpus, under ASan and UBSan
	fake        the API client against a fake API server with byte-level faults, under ASan
	program     the program as a person meets it: flags, first mistakes, dig; under ASan
	resolvers   glibc, musl, Go and c-ares find every kind of name, as in a pod; under ASan
	transfer    zone transfers to dig, NSD and Knot; under ASan
	reload      the configuration changes under load and one thing at a time; plain, ASan and TSan
	dot         forwarding over TLS to unbound, whose certificates are right and wrong; under ASan
	trouble     upstreams that are silent, wrong, late or hostile
	specification  the DNS specification section by section, from files and from a real API server; under ASan
	demo        deploy/try.sh --once
	real        the program, under ASan, against a real kube-apiserver and etcd
	swap        the container image, run as deployed; the objects of deploy/ and CoreDNS's at a real API server
	ceilings    instructions and system calls of a query and of a changed slice have ceilings; release build
	memory      what deploy/memory.md says a cluster needs, release build; two minutes
	differential  random clusters, new ones for each commit, the same questions to CoreDNS beside it; five minutes
	END
}

# -- what must be there ----------------------------------------------------------
install_missing() {
	local package missing=()
	while read -r package; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			missing+=("$package")
	done < <(cat "$tree/deploy/packages.txt" "$tree/tests/packages.txt")
	# kubectl may have come from elsewhere, and Debian's would collide with it.
	command -v kubectl >/dev/null || missing+=(kubernetes-client)
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ]; then
		echo "run.sh: not root, cannot install: ${missing[*]}"
		return 0
	fi
	echo "installing: ${missing[*]}"
	apt_install "${missing[@]}" || { apt-get -qq update >>"$logs/packages.log" 2>&1; apt_install "${missing[@]}"; } ||
		{ echo "run.sh: could not install everything:"; tail -n 5 "$logs/packages.log"; }
}

# Name servers come as services: none may be started on this machine.
apt_install() {
	local policy=/usr/sbin/policy-rc.d made="" status
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && made=1
	fi
	DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" \
		>>"$logs/packages.log" 2>&1 </dev/null
	status=$?
	[ -z "$made" ] || rm -f $policy
	return $status
}

# -- building --------------------------------------------------------------------
# Each kind of build is made once a run; the log is shown if it fails.
declare -A built=()

options_of() {
	case $1 in
	plain) echo "--buildtype=debugoptimized" ;;
	asan) echo "-Db_sanitize=address,undefined" ;;
	tsan) echo "-Db_sanitize=thread" ;;
	release) echo "--buildtype=release" ;;
	clang) echo "--buildtype=debugoptimized" ;;
	fuzz) echo "-Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false" ;;
	esac
}

# All but where only the program is wanted: at -O3 gcc 12 warns of what is not there in tests.
targets_of() {
	[ "$1" != release ] || echo binnacle
}

compiler_of() {
	case $1 in
	clang | fuzz) echo clang-14 ;;
	*) echo gcc ;;
	esac
}

build() { # kind: 0, 1 failed (told), 2 no compiler
	local kind=$1 log=$logs/build-$1.log folder=$builds/$1
	[ -n "${built[$kind]:-}" ] && return "${built[$kind]}"
	if ! command -v "$(compiler_of "$kind")" >/dev/null; then
		built[$kind]=2
		return 2
	fi
	# shellcheck disable=SC2046
	if { [ -f "$folder/build.ninja" ] ||
		CC=$(compiler_of "$kind") meson setup "$folder" "$tree" $(options_of "$kind"); } >"$log" 2>&1 &&
		ninja -C "$folder" $(targets_of "$kind") >>"$log" 2>&1; then
		built[$kind]=0
	else
		built[$kind]=1
		echo "   the $kind build failed ($log):"
		grep -E -A3 'error|ERROR|FAILED|undefined reference' "$log" | head -n 40 | sed 's/^/   /'
	fi
	return "${built[$kind]}"
}

# -- running ---------------------------------------------------------------------
# A tier's function runs its programs through these, which add "N passed, M
# failed, K skipped" lines to $counts, and leave everything else in $log.
counted() { # limit_s command...: its own last line holds the counts
	local limit=$1 line out
	shift
	out=$(mktemp)
	timeout -k 10 "$limit" "$@" >"$out" 2>&1 </dev/null
	local status=$?
	cat "$out" >>"$log"
	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$out" | tail -n 1)
	grep ' # SKIP ' "$out" | sed 's/^/   /'
	rm -f "$out"
	if [ -z "$line" ]; then
		echo "not ok $* - ended with status $status and no counts" >>"$log"
		line="0 passed, 1 failed, 0 skipped"
	elif [ $status -ne 0 ] && [[ $line == *" 0 failed,"* ]]; then
		echo "not ok $* - ended with status $status" >>"$log"
		line=${line/ 0 failed/ 1 failed}
	fi
	echo "$line" >>"$counts"
}

one() { # name limit_s command...: one test, judged by its status
	local name=$1 limit=$2
	shift 2
	if timeout -k 10 "$limit" "$@" >>"$log" 2>&1 </dev/null; then
		echo "1 passed, 0 failed, 0 skipped" >>"$counts"
	else
		echo "not ok $name - ended with status $?" >>"$log"
		echo "0 passed, 1 failed, 0 skipped" >>"$counts"
	fi
}

skip() {
	echo "   skipped: $1"
	echo "0 passed, 0 failed, 1 skipped" >>"$counts"
}

fail() {
	echo "not ok $1" >>"$log"
	echo "0 passed, 1 failed, 0 skipped" >>"$counts"
}

needs_build() { # kind: true if it is there
	build "$1"
	case $? in
	0) return 0 ;;
	2) skip "no $(compiler_of "$1") on this machine" ;;
	*) fail "the $1 build" ;;
	esac
	return 1
}

meson_tests() { # kind selection...
	local kind=$1 multiplier=1
	shift
	needs_build "$kind" || return
	[ "$kind" = plain ] || multiplier=4
	# Without address randomisation: the sanitizers' shadow memory has fixed places.
	setarch -R timeout -k 10 1200 meson test -C "$builds/$kind" --no-rebuild --timeout-multiplier $multiplier \
		--logbase "log-$tier" "$@" >>"$log" 2>&1 </dev/null
	counted 60 "$python" "$tree/tests/meson_counts.py" "$builds/$kind/meson-logs/log-$tier.json"
}

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}

tier_lint() {
	counted 300 "$tree/tests/lint/test_lint.py"
	if build plain; then
		counted 300 "$tree/tests/lint/lint.py" --objects "$builds/plain"
	else
		counted 300 "$tree/tests/lint/lint.py"
	fi
}

tier_unit() { meson_tests plain --no-suite scenario --no-suite api; }
tier_unit_asan() { meson_tests asan --no-suite scenario --no-suite api; }
tier_unit_tsan() { meson_tests tsan --no-suite scenario --no-suite api; }
tier_unit_clang() { meson_tests clang --no-suite scenario --no-suite api; }

tier_scenario() {
	meson_tests plain --suite scenario
	meson_tests asan --suite scenario
}

tier_fuzz() {
	local target name corpus
	needs_build fuzz || return
	for target in "$builds"/fuzz/tests/fuzz/fuzz_*; do
		[ -f "$target" ] && [ -x "$target" ] || continue
		name=$(basename "$target")
		corpus=$tree/tests/fuzz/corpus/${name#fuzz_}
		if [ -d "$corpus" ] && [ -n "$(ls -A "$corpus")" ]; then
			one "$name" 300 setarch -R "$target" -runs=0 "$corpus"
		else
			fail "$name - has no corpus in tests/fuzz/corpus/${name#fuzz_}"
		fi
	done
	[ -s "$counts" ] || fail "fuzz - there is no fuzz target"
}

tier_fake() {
	needs_build asan || return
	counted 600 "$python" "$tree/tests/api/fake/test_faults.py" "$(find "$builds/asan" -type f -name watch_probe | head -n 1)"
}

tier_program() {
	needs_build asan || return
	counted 300 "$python" "$tree/tests/e2e/test_program.py" --binary "$builds/asan/binnacle"
	counted 120 "$python" "$tree/tests/e2e/test_metrics.py" --binary "$builds/asan/binnacle"
	counted 120 "$python" "$tree/tests/conformance/test_compare.py"
}

tier_resolvers() {
	needs_build asan || return
	counted 300 "$python" "$tree/tests/e2e/test_resolvers.py" --binary "$builds/asan/binnacle" \
		--work "$builds/resolvers"
}

tier_transfer() {
	needs_build asan || return
	counted 300 "$python" "$tree/tests/e2e/test_transfer.py" --binary "$builds/asan/binnacle"
}

tier_reload() {
	needs_build plain && needs_build asan && needs_build tsan || return
	counted 300 "$python" "$tree/tests/e2e/test_reload.py" --binary "$builds/plain/binnacle" "under load"
	counted 300 setarch -R "$python" "$tree/tests/e2e/test_reload.py" --binary "$builds/asan/binnacle" --sanitized --reloads 30
	counted 300 setarch -R "$python" "$tree/tests/e2e/test_reload.py" --binary "$builds/tsan/binnacle" --sanitized --reloads 30
}

tier_dot() {
	needs_build asan || return
	counted 300 "$python" "$tree/tests/e2e/test_dot.py" --binary "$builds/asan/binnacle"
}

tier_trouble() {
	counted 60 "$python" "$tree/tests/e2e/test_upstreams.py"
	# Bars of time and memory: without sanitizers.
	needs_build plain || return
	counted 300 "$python" "$tree/tests/conformance/upstream_trouble.py" --check --binary "$builds/plain/binnacle"
	needs_build asan || return
	counted 120 "$python" "$tree/tests/e2e/test_poisoning.py" --binary "$builds/asan/binnacle"
	counted 120 "$python" "$tree/tests/conformance/test_corefiles.py" --binary "$builds/asan/binnacle"
	counted 300 "$python" "$tree/tests/conformance/test_plugins.py" --servers binnacle --binary "$builds/asan/binnacle"
}

tier_demo() {
	# Its own build folder and port: one may be running already.
	one "deploy/try.sh --once" 600 env BINNACLE_BUILD="$builds/plain" BINNACLE_PORT=11053 "$tree/deploy/try.sh" --once
}

# The job that was begun with the run has built them; what it could not build is tried
# once more.
needs_go() { # kube or coredns: true if it is there
	local status go_log=$logs/go-$1.log
	[ -z "$go_job" ] || wait "$go_job"
	go_job=
	"$tree/tests/api/rig/build.sh" "$1" >"$go_log" 2>&1 </dev/null
	status=$?
	[ $status -ne 0 ] || return 0
	cat "$go_log" >>"$log"
	if [ $status -eq 3 ] && ! { [ "${CI:-}" = true ] && command -v go >/dev/null; }; then
		skip "$(tail -n 1 "$go_log")"
	else
		fail "$tier - $1 could not be built"
	fi
	return 1
}

tier_specification() {
	counted 120 "$python" "$tree/tests/conformance/test_expected.py"
	needs_build asan || return
	counted 300 "$python" "$tree/tests/conformance/test_specification.py" --binary "$builds/asan/binnacle" \
		--source manifests
	needs_go kube || return
	counted 600 "$python" "$tree/tests/conformance/test_specification.py" --binary "$builds/asan/binnacle" \
		--source api-server
}

tier_real() {
	local program
	needs_build asan && needs_go kube || return
	program=$(find "$builds/asan" -type f -name binnacle | head -n 1)
	counted 1200 "$python" "$tree/tests/api/real/test_real.py" --binary "$program"
	one "no miss in 20 creates and deletes" 120 "$tree/tests/bench/latency.py" --count 20 --servers binnacle \
		--binary "$program"
	one "API server killed for 5 s under load" 180 "$tree/tests/bench/outage.py" --seconds 5 --servers binnacle \
		--binary "$program"
}

tier_swap() {
	local work=$builds/image
	# A release build of its own: it is what gets into an image.
	counted 900 "$python" "$tree/tests/e2e/test_image.py" --work "$work"
	needs_go kube || return
	one "deploy/image.sh" 300 env SOURCE_DATE_EPOCH=1700000000 "$tree/deploy/image.sh" --build "$work/image-build" \
		--output "$work/oci"
	counted 300 "$python" "$tree/tests/e2e/test_swap.py" --image "$work/oci" \
		--binary "$work/image-build/binnacle.stripped"
}

tier_ceilings() {
	needs_build release || return
	counted 600 "$python" "$tree/tests/bench/ceilings.py" --binary "$builds/release/binnacle"
}

tier_memory() {
	needs_build release || return
	counted 600 "$python" "$tree/tests/bench/memory.py" --binary "$builds/release/binnacle"
}

tier_differential() {
	needs_build plain && needs_go kube && needs_go coredns || return
	counted 900 "$tree/tests/conformance/differential.py" --check
	counted 300 "$python" "$tree/tests/conformance/test_plugins.py" --servers coredns --binary "$builds/plain/binnacle"
	counted 900 "$tree/tests/conformance/differential.py" --minutes 5 --seeds 40 --first-seed commit --questions 1000 \
		--binary "$builds/plain/binnacle"
}

run_tier() {
	local tier=$1 log=$logs/$1.log counts=$logs/$1.counts start=$SECONDS p=0 f=0 k=0 a b c
	: >"$log"
	: >"$counts"
	echo "== $tier"
	"tier_${tier//-/_}"
	while read -r a _ b _ c _; do
		p=$((p + a)) f=$((f + b)) k=$((k + c))
	done <"$counts"
	if [ $f -gt 0 ]; then
		show_failures "$log"
	fi
	echo "   $tier: $p passed, $f failed, $k skipped ($((SECONDS - start)) s)"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + k))
}

show_failures() {
	echo "   failures; everything is in $1"
	awk '/^not ok/ { show = 40 } /^ok / { show = 0 } show-- > 0' "$1" | head -n 150 | sed 's/^/   /'
}

wanted() { # tier: whether the arguments name it, or the group it is of
	local name
	[ ${#names[@]} -gt 0 ] || return 0
	for name in "${names[@]}"; do
		[ "$1" = "$name" ] || [ "${1%%-*}" = "$name" ] && return 0
	done
	return 1
}

names=()
for argument in "$@"; do
	case $argument in
	--list) describe; exit 0 ;;
	-*) echo "run.sh: unknown option $argument; see tests/README.md" >&2; exit 2 ;;
	*)
		case " $tiers " in
		*" $argument "*) names+=("$argument") ;;
		*) echo "run.sh: no tier $argument; there are: $tiers" >&2; exit 2 ;;
		esac ;;
	esac
done

mkdir -p "$logs"
install_missing
go_programs=
if wanted specification || wanted real || wanted swap || wanted differential; then go_programs=kube; fi
if wanted differential; then go_programs+=" coredns"; fi
if [ -n "$go_programs" ]; then
	# Minutes of compiling when nothing is cached: beside everything else.
	# shellcheck disable=SC2086
	nice "$tree/tests/api/rig/build.sh" $go_programs >"$logs/go.log" 2>&1 </dev/null &
	go_job=$!
	trap '[ -z "$go_job" ] || kill "$go_job" 2>/dev/null' EXIT
fi
for tier in $tiers; do
	if wanted "$tier"; then
		run_tier "$tier"
	fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
