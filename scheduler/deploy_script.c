#include "deploy_script.h"

#include "deploy.h"

/* Before anything else: what this start is, told apart from an echo of this very text by its nonce
 * in two halves. Who spoke to a driver that is gone leaves nothing behind (PIPE). */
static const char WORDS[] =
    "say() { echo \"$n $*\"; }; "
    "die() { trap : 0; say fail \"$@\"; sweep; exit 9; }; "
    "sweep() { calm; [ -z \"$t\" ] || rm -rf \"$t\"; [ -z \"$c\" ] || rm -f \"$c\"; }; "
    "first() { echo \"$o\" | { read -r q && echo \"$q\"; }; }; "
    "t=; c=; v=; why=; trap sweep 0; trap \"exit 9\" HUP INT TERM PIPE; "
    "k=$(umask); umask 077; unset LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT LD_DEBUG; "
    "u=$(uname -snm) || die tool uname; set -- $u; u=$2; "
    "[ \"$1 $3\" = \"$m\" ] || die machine \"$1 $3\"; ";

/* A link that is cut says nothing, and sshd waits for hours: whoever waits for the driver's words is ended
 * when no file has grown for a while. It is this shell's child, so a process with this shell's number is
 * this shell as long as it is its parent. What that waits for itself is ended too; it hears its own
 * signal afterwards, and sweeps. */
static const char WATCH[] =
    "mine() { read -r e e e p e <\"/proc/$1/stat\" && [ \"$p\" = $$ ]; } 2>/dev/null; "
    "calm() { [ -z \"$v\" ] || { mine $v && kill -9 $v $(below $v); wait $v; } 2>/dev/null; v=; }; "
    "below() { for e in /proc/[0-9]*/stat; do read -r o q q p q <$e && "
    "[ \"$p\" = $1 ] && [ \"$o\" != \"$z\" ] && echo $o; done; }; "
    "watch() { trap - 0 HUP INT TERM PIPE; read -r z q </proc/self/stat; l=; i=0; "
    "while sleep 1 && mine self; do i=$((i+1)); q=$(ls -ln \"$t\"); "
    "[ \"$q\" = \"$l\" ] || { l=$q; i=0; }; [ $i -lt $s ] || "
    "{ mine self && kill $$; for q in $(below $$); do kill $(below $q) $q; done; }; done; }; ";

/* A directory that is this user's alone. A loader's path has no way to quote these. */
static const char PLACES[] =
    "fit() { case $1 in *:* | *\";\"* | *\"$\"*) return 1;; /*) ;; *) return 1;; esac; "
    "[ -L \"$1\" ] && return 1; [ -d \"$1\" ] && [ -O \"$1\" ]; }; "
    "x=${XDG_CACHE_HOME:-}; case $x in /*) ;; *) x=${HOME:+$HOME/.cache};; esac; "
    "x=${x:+$x/rdd}; ";

/* Claims the directory `d` first, so that nothing in it is pruned, then looks. */
static const char CLAIM[] =
    "claim() { c=$d/use/$n; { echo \"$h ${f:--} $u $$\" >\"$c\"; } 2>/dev/null; }; "
    "full() { [ -x \"$d/bundles/$h/" BUNDLE_PROGRAM "\" ] || return 1; "
    "for p in $h $f; do for q in \"$d/bundles/$p\"/*; do "
    "[ -e \"$q\" ] || return 1; done; done; }; ";

static const char START[] =
    "start() { b=$d/bundles/$h; i=; for q in \"$b\"/*; do i=$i:$q; done; "
    "calm; umask $k; cd /; "
    "export RDD_CACHE=\"$d\" RDD_START=$n RDD_BUNDLE=$h RDD_WORK=\"${w:-$d/work}\" "
    "RDD_FILES=\"${f:+$d/bundles/$f}\"; say start \"$d\"; trap - 0; ";

static const char THROUGH_LOADER[] =
    "exec \"$b/" BUNDLE_LOADER "\" --inhibit-cache --inhibit-rpath \"$i\" --library-path \"$b\" "
    "--argv0 \"$a\" \"$b/" BUNDLE_PROGRAM "\" --rdd-supervisor; }; ";

static const char DIRECTLY[] = "exec \"$b/" BUNDLE_PROGRAM "\" --rdd-supervisor; }; ";

static const char WARM[] =
    "try() { d=$1; fit \"$d\" && [ -d \"$d/use\" ] && claim && full && start; "
    "[ -z \"$c\" ] || rm -f \"$c\" 2>/dev/null; c=; }; "
    "if [ $r = 0 ]; then try \"$x\"; y=$(id -u) || die tool id; "
    "try \"/var/tmp/rdd-$y\"; try \"/dev/shm/rdd-$y\"; "
    "else y=$(id -u) || die tool id; fi; ";

/* A directory to install into. That it can be written may not be enough: on a noexec file system
 * nothing there starts. (A text file that may be executed is run by sh itself.) Of what fails the
 * driver is told in its own words, and in English; an "echo" of dash has none. */
static const char PREPARE[] =
    "for q in mkdir chmod dd mv ln rm; do command -v $q >/dev/null || die tool $q; done; "
    "drop() { sweep; fit \"$d\" && { "
    "rmdir \"$d/bundles\" && rmdir \"$d/files\" \"$d/use\" \"$d/work\" \"$d\"; } 2>/dev/null; }; "
    "prepare() { d=$1; [ \"$d\" ] || return 1; c=$d/use/$n; t=$d/tmp-$n; "
    "o=$({ export LC_ALL=C; mkdir -p \"$d\" && "
    "{ fit \"$d\" || { echo is a link, of another user, or has a colon or dollar in its name; false; }; } && "
    "chmod 700 \"$d\" && mkdir -p \"$d/files\" \"$d/bundles\" \"$d/use\" \"$d/work\" && "
    "{ claim || { echo : | dd of=\"$c\" && false; }; } && "
    "mkdir \"$t\" && echo : | dd of=\"$t/x\" && chmod 700 \"$t/x\"; } 2>&1) || "
    "{ drop; why=\"$why $d: $(first);\"; return 1; }; "
    "\"$t/x\" 2>/dev/null || "
    "{ drop; why=\"$why $d: nothing can be executed there (noexec?);\"; return 1; }; "
    "rm \"$t/x\"; }; "
    "prepare \"$x\" || prepare \"/var/tmp/rdd-$y\" || prepare \"/dev/shm/rdd-$y\" || "
    "die directory \"$why\"; ";

/* dd with these takes its bytes and not one more, and is the only one that does in both families. */
static const char TAKE_FILE[] =
    "take() { o=$({ LC_ALL=C dd bs=$2 count=$3 iflag=fullblock >>\"$t/$1\"; } 2>&1) || "
    "die write \"$d: $(first)\"; }; ";

/* "mv" of a directory to where there is one already fails: then another start was faster. */
static const char INSTALL[] =
    "command -v sleep >/dev/null && command -v ls >/dev/null && "
    "{ watch </dev/null >/dev/null 2>&1 & v=$! ; }; "
    "say need \"$m\" \"$d\"; "
    "while read -r q p o; do case $q in "
    "f) [ -e \"$d/files/$p\" ] || say miss $p;; "
    "q) say end;; "
    "t) take $p $o;; "
    "m) o=$({ export LC_ALL=C; chmod 500 \"$t\"/* && mv -f \"$t\"/* \"$d/files/\"; } 2>&1) || "
    "die write \"$d: $(first)\";; "
    "d) g=$t/$p; o=$(mkdir \"$g\" 2>&1) || die write \"$d: $(first)\";; "
    "l) o=$(ln -s \"../../files/$p\" \"$g/$o\" 2>&1) || die write \"$d: $(first)\";; "
    "p) mv -f \"$t/$p\" \"$d/bundles/\" 2>/dev/null;; "
    "g) rm -rf \"$t\"; full && start; mkdir \"$t\"; say need \"$m\" \"$d\";; "
    "esac; done; exit 9";

void deploy_script_write(buf *b, const deploy_script *s)
{
    buf_text(b, "exec /bin/sh -c '");
    buf_format(b, "n=%.8s; n=${n}%s; m=\"%s\"; h=%s; f=%s; a=\"%s\"; w=\"%s\"; r=%d; s=%u; ", s->nonce,
               s->nonce + 8, s->machine, s->program, s->files ? s->files : "", s->argv0,
               s->workdir ? s->workdir : "", s->reinstall, s->silence_s);
    buf_text(b, WATCH);
    buf_text(b, WORDS);
    buf_text(b, PLACES);
    buf_text(b, CLAIM);
    buf_text(b, START);
    buf_text(b, s->has_loader ? THROUGH_LOADER : DIRECTLY);
    buf_text(b, WARM);
    buf_text(b, PREPARE);
    buf_text(b, TAKE_FILE);
    buf_text(b, INSTALL);
    buf_text(b, "'");
}

/* -- Cleaning ---------------------------------------------------------------------------------- */

/* A start of this machine is alive while its process is, as the script becomes the executor by exec.
 * Of another machine that shares the directory nothing is known, so its starts count as alive. With
 * a live one whose bundle is not there yet, no file can be known to be unused. */
static const char CLEAN[] =
    "exec /bin/sh -c '"
    "u=$(uname -n); y=$(id -u); x=${XDG_CACHE_HOME:-}; "
    "case $x in /*) ;; *) x=${HOME:+$HOME/.cache};; esac; "
    "has() { case \" $1 \" in *\" $2 \"*) return 0;; esac; return 1; }; "
    "clean() { d=$1; [ -L \"$d\" ] && return; [ -d \"$d/bundles\" ] && [ -O \"$d\" ] || return; "
    "keep=; live=; all=1; "
    "for c in \"$d/use\"/*; do [ -f \"$c\" ] || continue; read -r h f v p <\"$c\" || :; "
    "if [ \"$v\" = \"$u\" ] && [ \"$p\" ] && [ -d /proc/self ]; then [ -d \"/proc/$p\" ] || continue; "
    "fi; keep=\"$keep $h $f\"; live=\"$live ${c##*/}\"; "
    "for b in $h $f; do [ $b = - ] || [ -d \"$d/bundles/$b\" ] || all=; done; done; "
    "[ \"$live\" ] || { rm -rf \"$d\" && echo \"$d: removed\"; return; }; "
    "for b in \"$d/bundles\"/*; do has \"$keep\" \"${b##*/}\" || rm -rf \"$b\"; done; "
    "for b in \"$d\"/tmp-* \"$d/use\"/* \"$d/work\"/rdd-*; do q=${b##*/}; "
    "has \"$live\" \"${q##*-}\" || rm -rf \"$b\"; done; "
    "for q in \"$d/files\"/*; do z=$all; for b in \"$d/bundles\"/*/*; do "
    "[ \"$b\" -ef \"$q\" ] && z= && break; done; [ \"$z\" ] && rm -f \"$q\"; done; "
    "set -- $live; echo \"$d: cleaned but for what is in use by $# running\"; }; "
    "clean \"${x:+$x/rdd}\"; clean \"/var/tmp/rdd-$y\"; clean \"/dev/shm/rdd-$y\"; exit 0'";

const char *deploy_clean_command(void)
{
    return CLEAN;
}
