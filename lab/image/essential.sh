#!/bin/sh
# Answers the questions of packages before they are installed: servers arrive unconfigured, playbooks/ configures them.
# $1: the new root.
set -eu
chroot "$1" debconf-set-selections <<'ANSWERS'
postfix postfix/main_mailer_type select No configuration
slapd slapd/no_configuration boolean true
ANSWERS
