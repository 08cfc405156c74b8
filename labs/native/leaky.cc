// A library of a device's maker, as hospitals have them: sessions with packets, and frames of text that it keeps for its log.
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

class Packet {
public:
    virtual ~Packet() = default;

private:
    char payload[104] = {};
};

class Session {
public:
    explicit Session(int number) : number(number) {}
    virtual ~Session() { delete packet; }
    virtual int Send()
    {
        packet = new Packet;
        return number;
    }

private:
    int number;
    Packet *packet = nullptr;
    char state[56] = {};
};

struct Frame {
    Frame *next;
    char *text;
};

static __thread Frame *frames;
static char report[1 << 20], line[1 << 21];

extern "C" {

// Opens a session, sends one packet, and gives the session back: whoever forgets to close it leaks both.
void *leaky_open(int number)
{
    Session *session = new Session(number);
    session->Send();
    return session;
}

void leaky_close(void *session)
{
    delete static_cast<Session *>(session);
}

// Keeps a frame's text in a list of the thread.
void leaky_log(const char *text, int size)
{
    Frame *frame = static_cast<Frame *>(malloc(sizeof(*frame)));
    frame->text = static_cast<char *>(calloc(1, size));
    strcpy(frame->text, text);
    frame->next = frames;
    frames = frame;
}

// Copies a text and forgets the copy.
void leaky_forget(const char *text, int size)
{
    char *copy = static_cast<char *>(calloc(1, size));
    strcpy(copy, text);
    __asm__ volatile("" : : "r"(copy) : "memory"); // a compiler may otherwise leave the pair of calls out
}

// Tells the truth, with what malloc says of itself, without any further use of malloc: `truth` is JSON without its last brace.
void leaky_stand_still(const char *truth)
{
    FILE *out = fmemopen(report, sizeof(report), "w");
    setvbuf(out, line, _IOFBF, sizeof(line) / 2);
    malloc_info(0, out);
    fflush(out);

    size_t length = snprintf(line, sizeof(line), "%s,\"malloc_info\":\"", truth);
    for (const char *p = report; *p && length < sizeof(line) - 64; p++) {
        if (*p == '"' || *p == '\\') line[length++] = '\\';
        if (*p != '\n') line[length++] = *p;
    }
    length += snprintf(line + length, sizeof(line) - length, "\"}\nready\n");
    for (size_t done = 0; done < length;) {
        ssize_t n = write(1, line + done, length - done);
        if (n <= 0) break;
        done += n;
    }
    sleep(3600);
}
}
