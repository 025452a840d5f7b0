#!/bin/sh
# Run by tests/it/service/package.rs in a mount namespace of its own: machine.sh FOLDER PACKAGE
#
# Lays a writable layer over this machine, and installs and purges the package there with the machine's own
# dpkg, adduser and deb-systemd-helper. Status 77: this machine lets nobody mount.
set -u
# Where a plain user's path does not go.
PATH=$PATH:/usr/sbin:/sbin
export PATH
folder=$1 package=$2
mount -t tmpfs tmpfs "$folder" 2>/dev/null || exit 77
mkdir "$folder/upper" "$folder/work" "$folder/machine"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/machine" 2>/dev/null || exit 77
cp "$package" "$folder/machine/package.deb" || exit 77
exec chroot "$folder/machine" sh -eu -c '
export DEBIAN_FRONTEND=noninteractive
wanted=/etc/systemd/system/multi-user.target.wants/amalgam.service
dpkg --force-depends --install /package.deb
id amalgam
[ "$(getent passwd amalgam | cut -d: -f6)" = /var/lib/amalgam ]
[ -L "$wanted" ]
systemd-analyze verify --man=no /usr/lib/systemd/system/amalgam.service
dpkg --force-depends --install /package.deb
dpkg --purge amalgam
for left in "$wanted" /etc/amalgam /var/lib/amalgam /usr/lib/amalgam /usr/share/amalgam /etc/systemd/system/amalgam.service; do
  if [ -e "$left" ] || [ -L "$left" ]; then echo "left: $left"; exit 1; fi
done
for book in passwd group; do
  if getent "$book" amalgam; then echo "left in $book"; exit 1; fi
done
'
