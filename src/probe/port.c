/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port.c - a libvirt stream as something that can be waited for.
 *
 * Theory of operation. A blocking stream cannot be given up on, and a non-blocking one tells of
 * data through a callback in the thread of libvirt's event loop. The callback passes what it
 * reads on through a socket pair; the conversation, in the main thread, polls the other end
 * together with the descriptor that becomes readable at a signal.
 */
#include "probe/port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "measure/protocol.h"

enum { END_MAIN, END_EVENTS };

struct port {
    virStreamPtr stream;
    int pair[2];
    char *buffer; /* what was read and not handed out yet */
    size_t length, capacity;
};

/* In the event loop's thread. */
static void pass_on(virStreamPtr stream, int events, void *data)
{
    struct port *p = data;
    char chunk[65536];
    int n;
    while ((n = virStreamRecv(stream, chunk, sizeof(chunk))) > 0)
        if (file_write_all(p->pair[END_EVENTS], chunk, (size_t)n) < 0)
            break;
    if (n != -2 || (events & (VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP))) {
        virStreamEventRemoveCallback(stream);
        shutdown(p->pair[END_EVENTS], SHUT_WR);
    }
}

struct port *port_open(struct connection *c, virDomainPtr domain, const char *name,
                       struct error **err)
{
    cleanup_port struct port *p = xcalloc(1, sizeof(*p));
    p->pair[END_MAIN] = p->pair[END_EVENTS] = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->pair) < 0) {
        error_set_errno(err, errno, "cannot create a socket pair");
        return NULL;
    }
    p->stream = virStreamNew(c->handle, VIR_STREAM_NONBLOCK);
    if (!p->stream || virDomainOpenChannel(domain, name, p->stream, 0) < 0) {
        connection_error(err, "cannot open the port of the probe guest");
        return NULL;
    }
    const int events = VIR_STREAM_EVENT_READABLE | VIR_STREAM_EVENT_HANGUP | VIR_STREAM_EVENT_ERROR;
    if (virStreamEventAddCallback(p->stream, events, pass_on, p, NULL) < 0) {
        connection_error(err, "cannot watch the port of the probe guest");
        return NULL;
    }
    return TAKE_PTR(p);
}

/* The remote driver never tells that it has forgotten a callback, though it is told whom to tell
 * (libvirt 9.0); so the event loop is waited for. What it writes goes nowhere from here on. */
void port_close(struct port *p)
{
    bool settled = true;
    if (!p)
        return;
    if (p->stream) {
        shutdown(p->pair[END_MAIN], SHUT_RDWR);
        virStreamEventRemoveCallback(p->stream);
        settled = connection_settle();
        virStreamAbort(p->stream);
        virStreamFree(p->stream);
    }
    if (!settled)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(p->pair); i++)
        if (p->pair[i] >= 0)
            close(p->pair[i]);
    free(p->buffer);
    free(p);
}

enum port_status port_write_line(struct port *p, const char *line, struct error **err)
{
    cleanup_free char *text = xasprintf("%s\n", line);
    size_t length = strlen(text);
    uint64_t deadline = clock_now_ns() + 10 * NS_PER_SECOND;
    for (const char *rest = text; length;) {
        int n = virStreamSend(p->stream, rest, length);
        if (n == -2 && clock_now_ns() < deadline) {
            /* The socket is full: the guest is behind. Commands are short, so this is rare. */
            if (interrupt_check(err) < 0)
                return PORT_ERROR;
            usleep(1000);
            continue;
        }
        if (n < 0)
            return n == -2 ? PORT_TIMEOUT : PORT_CLOSED;
        rest += n;
        length -= (size_t)n;
    }
    return PORT_LINE;
}

/* Cuts the first line out of the buffer; NULL when there is no whole one. */
static char *take_line(struct port *p)
{
    char *newline = p->length ? memchr(p->buffer, '\n', p->length) : NULL;
    if (!newline)
        return NULL;
    size_t length = (size_t)(newline - p->buffer);
    char *line = xcalloc(length + 1, 1);
    memcpy(line, p->buffer, length);
    p->length -= length + 1;
    memmove(p->buffer, newline + 1, p->length);
    return line;
}

static int poll_timeout_ms(uint64_t deadline_ns)
{
    uint64_t now = clock_now_ns();
    if (now >= deadline_ns)
        return 0;
    uint64_t ms = (deadline_ns - now) / NS_PER_MS + 1;
    return ms > 60000 ? 60000 : (int)ms;
}

enum port_status port_read_line(struct port *p, uint64_t deadline_ns, char **ret_line,
                                struct error **err)
{
    while (!(*ret_line = take_line(p))) {
        struct pollfd fds[] = {{.fd = p->pair[END_MAIN], .events = POLLIN},
                               {.fd = interrupt_fd(), .events = POLLIN}};
        int ready = poll(fds, ARRAY_SIZE(fds), poll_timeout_ms(deadline_ns));
        if (interrupt_check(err) < 0)
            return PORT_ERROR;
        if (ready == 0 && clock_now_ns() >= deadline_ns)
            return PORT_TIMEOUT;
        if (!fds[0].revents)
            continue;
        if (p->length + 65536 > p->capacity) {
            p->capacity = p->length + 65536;
            p->buffer = xreallocarray(p->buffer, p->capacity, 1);
        }
        ssize_t n = read(p->pair[END_MAIN], p->buffer + p->length, p->capacity - p->length);
        if (n <= 0)
            return PORT_CLOSED;
        p->length += (size_t)n;
        if (p->length > PROTOCOL_LINE_MAX) {
            error_set(err, "the probe guest sent a line that does not end");
            return PORT_ERROR;
        }
    }
    return PORT_LINE;
}
