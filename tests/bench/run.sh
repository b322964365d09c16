#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Measures Binnacle beside its peers: tests/bench/README.md.
#
#   tests/bench/run.sh [--list] [--plot FILE] [--json FILE] [--rounds N] [NAME...]
#
# Builds what is measured (a release build in build-bench/, or below $BINNACLE_BUILDS) and
# installs, as root, what is missing. Without a NAME: all works, some 40 minutes.
set -euo pipefail

tree=$(cd "$(dirname "$0")/../.." && pwd)
build=${BINNACLE_BUILDS:-$tree/build-bench}/release
packages="dnsperf nsd knot unbound dnsmasq-base bind9-dnsutils python3-dnspython iproute2 openssl"
[[ " $* " != *" --plot "* ]] || packages="$packages python3-matplotlib"

# shellcheck disable=SC2013
missing=$(for package in $(cat "$tree/deploy/packages.txt") $packages; do
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
done)
if [ -n "$missing" ] && [ "$(id -u)" = 0 ]; then
	echo "installing: ${missing//$'\n'/ }"
	# Name servers come as services: none may be started on this machine.
	policy=/usr/sbin/policy-rc.d made=""
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && made=1
	fi
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing >/dev/null ||
		echo "run.sh: not all could be installed; a server that is not there is left out"
	[ -z "$made" ] || rm -f $policy
elif [ -n "$missing" ]; then
	echo "run.sh: not root, cannot install: ${missing//$'\n'/ }"
fi
[ -f "$build/build.ninja" ] || meson setup "$build" "$tree" --buildtype=release >/dev/null
ninja -C "$build" binnacle tests/bench/bench_echo >/dev/null
exec /usr/bin/python3 "$tree/tests/bench/run.py" --binary "$build/binnacle" --echo "$build/tests/bench/bench_echo" "$@"
