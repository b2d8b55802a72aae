#!/bin/sh
# Runs a program in an image's file tree as Kubernetes would: read-only but for /data, and as a user who is not root.
#   unshare --mount run-image.sh ROOT DATA CONFIG USER PROGRAM ARGUMENT...
# ROOT, DATA and CONFIG are folders; CONFIG is seen as /mnt. The environment is passed on as it is. The mounts end with the
# program.
set -eu
root=$1 data=$2 config=$3 user=$4
shift 4
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --bind "$data" "$root/data"
mount --bind "$config" "$root/mnt"
mount -o remount,bind,ro "$root/mnt"
mount --bind /proc "$root/proc"
exec chroot --userspec="$user" "$root" "$@"
