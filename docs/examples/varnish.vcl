# What aftersync's varnish connection speaks; tested with Varnish 7.1 and varnish-modules 0.20 (for xkey).
# Put these subroutines before your own of the same name, and change the backend and the acl.
#
#   PURGE /path       Host: h                 drops the object and its variants
#   SOFTPURGE /path   Host: h                 makes it stale: served once more while it is fetched anew
#   PURGEKEYS /       xkey-purge: a b         drops what the origin marked with any of these keys (response header xkey)
#   PURGEKEYS /       xkey-softpurge: a b     makes it stale
#   BAN /             x-ban-url: REGEX        drops what has a host and path that match, such as ^www\.example\.com/img/
#
# A host and everything are bans too: ^www\.example\.com/ and a single dot.
#
# Each answer that comes from here has the header x-purge. aftersync takes an answer without it for somebody else's:
# without these rules Varnish would hand the method on to the origin, whose 404 looks just like "not cached".
vcl 4.1;

import purge;
import std;
import xkey;

backend default {
    .host = "127.0.0.1";
    .port = "8080";
}

# Who may purge: the addresses that aftersync calls from.
acl purgers {
    "127.0.0.1";
    "::1";
}

sub vcl_recv {
    # Purges must find what visits stored, however either spells the host.
    if (req.http.host) {
        set req.http.host = std.tolower(req.http.host);
    }
    if (req.method ~ "^(PURGE|SOFTPURGE|PURGEKEYS|BAN)$") {
        if (client.ip !~ purgers) {
            return (synth(403, "Purging is not allowed from this address"));
        }
        if (req.method == "PURGE") {
            return (purge);
        }
        if (req.method == "SOFTPURGE") {
            # Do not wait for an object that is just being fetched.
            set req.hash_ignore_busy = true;
            return (hash);
        }
        if (req.method == "PURGEKEYS") {
            if (req.http.xkey-purge) {
                set req.http.x-purged = xkey.purge(req.http.xkey-purge);
            } else {
                if (!req.http.xkey-softpurge) {
                    return (synth(400, "Expected xkey-purge or xkey-softpurge"));
                }
                set req.http.x-purged = xkey.softpurge(req.http.xkey-softpurge);
            }
            return (synth(200, req.http.x-purged + " objects"));
        }
        # A space would end the pattern, and what follows it would be read as further conditions.
        if (!req.http.x-ban-url || req.http.x-ban-url ~ "\s") {
            return (synth(400, "Expected x-ban-url without spaces"));
        }
        if (std.ban("obj.http.x-purge-url ~ " + req.http.x-ban-url)) {
            return (synth(200, "Banned"));
        }
        return (synth(400, std.ban_error()));
    }
}

# A miss can still have other variants (Vary), so both count.
sub vcl_hit {
    if (req.method == "SOFTPURGE") {
        set req.http.x-purged = purge.soft(0s);
        return (synth(200, req.http.x-purged + " objects"));
    }
}

sub vcl_miss {
    if (req.method == "SOFTPURGE") {
        set req.http.x-purged = purge.soft(0s);
        return (synth(200, req.http.x-purged + " objects"));
    }
}

# For an object that is marked as not cacheable; without this the origin would get the request.
sub vcl_pass {
    if (req.method == "SOFTPURGE") {
        return (synth(200, "0 objects"));
    }
}

sub vcl_synth {
    if (req.method ~ "^(PURGE|SOFTPURGE|PURGEKEYS|BAN)$") {
        set resp.http.x-purge = resp.reason;
    }
}

sub vcl_backend_response {
    # Bans look at stored objects, so that Varnish can work them off in the background.
    set beresp.http.x-purge-url = bereq.http.host + bereq.url;
    # How long a stale object may still be served.
    set beresp.grace = 60s;
}

sub vcl_deliver {
    unset resp.http.x-purge-url;
}
