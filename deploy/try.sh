#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds Binnacle, starts it over the manifests in deploy/demo/, and asks it a
# handful of questions. No cluster is needed.
#
#   deploy/try.sh [--once] [--port N]
#
#   --once     stop after the questions; exit 1 if an answer was wrong
#   --port N   listen on 127.0.0.1 port N (default 1053, or BINNACLE_PORT)
#
# What is missing comes from Debian (as root). The build goes to build/, or to
# BINNACLE_BUILD.
set -euo pipefail

tree=$(cd "$(dirname "$0")/.." && pwd)
build=${BINNACLE_BUILD:-$tree/build}
port=${BINNACLE_PORT:-1053}
once=false
server=
folder=
wrong=0

usage() {
	sed -n '3,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
}

while [ $# -gt 0 ]; do
	case $1 in
	--once) once=true ;;
	--port)
		[ $# -gt 1 ] || { echo "try.sh: --port needs a number" >&2; exit 2; }
		port=$2
		shift
		;;
	-h | --help) usage; exit 0 ;;
	*) echo "try.sh: unknown argument $1" >&2; usage >&2; exit 2 ;;
	esac
	shift
done
if ! [[ $port =~ ^[0-9]+$ ]] || [ "$port" -lt 1 ] || [ "$port" -gt 65535 ]; then
	echo "try.sh: '$port' is no port number" >&2
	exit 2
fi

finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	[ -z "$server" ] || wait "$server" 2>/dev/null || true
	[ -z "$folder" ] || rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

install_missing() {
	local package missing=()
	command -v dpkg-query >/dev/null || return 0
	while read -r package; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			missing+=("$package")
	done <"$tree/deploy/packages.txt"
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ]; then
		echo "try.sh: these Debian packages are missing; install them, or run this as root:" >&2
		echo "    apt-get install ${missing[*]}" >&2
		exit 1
	fi
	echo "Installing from Debian: ${missing[*]}"
	apt_install "${missing[@]}" || { apt-get -qq update && apt_install "${missing[@]}"; } || {
		echo "try.sh: apt-get could not install them; see its messages above" >&2
		exit 1
	}
}

apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null </dev/null
}

build_program() {
	echo "Building in $build"
	folder=$(mktemp -d)
	if ! { [ -f "$build/build.ninja" ] || meson setup "$build" "$tree"; } >"$folder/build.log" 2>&1 ||
		! ninja -C "$build" binnacle >>"$folder/build.log" 2>&1; then
		tail -n 40 "$folder/build.log" >&2
		echo "try.sh: the build failed" >&2
		exit 1
	fi
}

ask() { # dig's words: the answer's records, sorted, or the rcode
	local out
	out=$(dig -p "$port" @127.0.0.1 +tries=2 +time=2 +noall +answer +comments "$@") || {
		echo "no answer"
		return
	}
	case $out in
	*"status: NOERROR"*)
		grep -v '^;' <<<"$out" | awk 'NF { print $4, $5 }' | sort
		grep -q '^[^;]' <<<"$out" || echo "NOERROR, no such record"
		;;
	*) sed -n 's/.*status: \([A-Z]*\),.*/\1/p' <<<"$out" ;;
	esac
}

start_server() {
	DEMO=$tree/deploy/demo "$build/binnacle" -conf "$tree/deploy/demo/Corefile" -dns.port "$port" \
		>"$folder/log" 2>&1 &
	server=$!
	for _ in $(seq 100); do
		if ! kill -0 "$server" 2>/dev/null; then
			cat "$folder/log" >&2
			echo "try.sh: Binnacle did not start; with a port in use, try another one: deploy/try.sh --port 2053" >&2
			server=
			exit 1
		fi
		if [ "$(ask checkout.shop.svc.cluster.local A)" = "A 10.96.0.80" ]; then
			return 0
		fi
		sleep 0.1
	done
	cat "$folder/log" >&2
	echo "try.sh: Binnacle is running but does not answer on 127.0.0.1 port $port" >&2
	exit 1
}

show() { # title, name, type, expected (a pattern of bash's [[ =~ ]])
	local answer
	answer=$(ask "$2" "$3")
	printf '\n%s\n  %s %s\n' "$1" "$2" "$3"
	while IFS= read -r line; do printf '    %s\n' "$line"; done <<<"$answer"
	if ! [[ $answer =~ ^($4)$ ]]; then
		printf '    WRONG: expected %s\n' "$4"
		wrong=$((wrong + 1))
	fi
}

questions() {
	local zone=cluster.local newline=$'\n'
	show "A ClusterIP Service" web.shop.svc.$zone A 'A 10\.(9[6-9]|10[0-9]|11[01])\.[0-9]+\.[0-9]+'
	show "A LoadBalancer Service" checkout.shop.svc.$zone A 'A 10\.96\.0\.80'
	show "Dual stack, IPv4" search.shop.svc.$zone A 'A 10\.96\.0\.42'
	show "Dual stack, IPv6" search.shop.svc.$zone AAAA 'AAAA fd00:10:96::42'
	show "A headless Service: its ready endpoints" db.shop.svc.$zone A "A 10\.244\.1\.10${newline}A 10\.244\.2\.10"
	show "One endpoint by its hostname" db-0.db.shop.svc.$zone AAAA 'AAAA fd00:10:244:1::10'
	show "An endpoint that is not ready" db-2.db.shop.svc.$zone A 'NXDOMAIN'
	show "An ExternalName Service" payments.shop.svc.$zone A 'CNAME api\.payments\.example\.'
	show "A Service with endpoints written by hand" legacy.shop.svc.$zone A "A 192\.0\.2\.20${newline}A 192\.0\.2\.21"
	show "One of them, by its address" 192-0-2-20.legacy.shop.svc.$zone A 'A 192\.0\.2\.20'
	show "A StatefulSet as a chart writes it: its replicas" nginx.shop.svc.$zone A "A 10\.2[45][0-9]\.[0-9.]+${newline}A 10\.2[45][0-9]\.[0-9.]+"
	show "One of them, by its hostname" web-0.nginx.shop.svc.$zone A 'A 10\.(24[0-9]|25[0-5])\.[0-9]+\.[0-9]+'
	show "A name that does not exist" nothing.shop.svc.$zone A 'NXDOMAIN'
	show "A name that exists, without such a record" web.shop.svc.$zone MX 'NOERROR, no such record'
}

install_missing
build_program
start_server
echo "Binnacle answers on 127.0.0.1 port $port over deploy/demo/ (process $server)."
questions
echo
if [ $wrong -gt 0 ]; then
	echo "$wrong answers were wrong."
	exit 1
fi
echo "All answers are right."
if $once; then
	exit 0
fi
cat <<END

Ask more:        dig -p $port @127.0.0.1 web.shop.svc.cluster.local A
See it change:   edit a file in deploy/demo/ and ask again; a file that does not
                 parse is told here and changes nothing
Stop it:         Ctrl-C

What Binnacle says from now on:
END
tail -n +1 -f "$folder/log" --pid="$server" || true
