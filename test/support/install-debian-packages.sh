#!/bin/sh
# Installs Debian packages without starting the services that they bring. Needs root.
#   install-debian-packages.sh POLICY_FILE PACKAGE...
# POLICY_FILE is /usr/sbin/policy-rc.d, which Debian's packages ask before they start a service.
set -eu
policy=$1
shift
saved=$policy.before-aftersync
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

# Two runs at once would take each other's policy for the machine's own.
exec 9<"$(dirname "$policy")"
flock 9

restore_policy() {
  if [ -e "$saved" ]; then
    mv "$saved" "$policy"
  elif grep -qs aftersync "$policy"; then
    rm "$policy"
  fi
}

# A run that was killed may have left its policy behind.
restore_policy
trap restore_policy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -e "$policy" ]; then mv "$policy" "$saved"; fi
printf '#!/bin/sh\n# By aftersync while it installs packages: no service may start (Debian policy, invoke-rc.d: 101).\nexit 101\n' >"$policy"
chmod 755 "$policy"

# Without the lock, which what they start would otherwise keep.
apt() { apt-get -q -o DPkg::Lock::Timeout=300 "$@" 9<&-; }
install() { apt install -y --no-install-recommends "$@"; }

updated=no
if ! install --simulate "$@" >/dev/null 2>&1; then
  echo 'some package is not known yet: updating the lists'
  apt update
  updated=yes
fi
if ! install "$@"; then
  if [ "$updated" = yes ]; then exit 1; fi
  echo 'the lists may be older than the archive: updating them'
  apt update
  install "$@"
fi
