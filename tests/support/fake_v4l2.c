/* Emulates a USB camera without a kernel driver: preloaded (LD_PRELOAD), it implements the device named in FAKE_V4L2.
 *
 * It supports 640x480 and 1280x720, YUYV (all red) and, if FAKE_V4L2_JPEG names a file, MJPG; at most 15 frames/s.
 * The file FAKE_V4L2_ORDER contains one word: run, stall (no frames), gone (unplugged) or busy (at streamon).
 * Requests to the device are appended to the file FAKE_V4L2_LOG. Interface: linux/videodev2.h.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { BUFFERS = 4, ROOM = 1280 * 720 * 2 };

static int device = -1, nonblocking, queued[BUFFERS], next, width, height;
static unsigned format, sequence;
static double period_s = 1 / 15.0, due_s;
static unsigned char *memory;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static int ordered(const char *word) {
    char text[16] = "";
    FILE *file = fopen(getenv("FAKE_V4L2_ORDER"), "r");
    if (file) {
        if (fscanf(file, "%15s", text) != 1) text[0] = 0;
        fclose(file);
    }
    return strcmp(text, word) == 0;
}

static void note(const char *text) {
    FILE *file = fopen(getenv("FAKE_V4L2_LOG"), "a");
    fprintf(file, "%s\n", text);
    fclose(file);
}

static int failed(int code) {
    errno = code;
    return -1;
}

static int open_device(const char *path, int flags) {
    if (strcmp(path, getenv("FAKE_V4L2") ? getenv("FAKE_V4L2") : "")) return -2;
    device = memfd_create("camera", 0);
    if (ftruncate(device, (off_t)BUFFERS * ROOM)) return -1;
    memory = mmap(NULL, (size_t)BUFFERS * ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
    nonblocking = flags & O_NONBLOCK;
    note(nonblocking ? "open nonblocking" : "open blocking");
    return device;
}

#define OPEN(name)                                                    \
    int name(const char *path, int flags, ...) {                      \
        va_list more;                                                 \
        va_start(more, flags);                                        \
        int mode = va_arg(more, int), fd = open_device(path, flags);  \
        va_end(more);                                                 \
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name); \
        return fd == -2 ? real(path, flags, mode) : fd;               \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    if (fd == device && fd >= 0) {
        note("close");
        munmap(memory, (size_t)BUFFERS * ROOM);
        device = -1;
    }
    int (*real)(int) = dlsym(RTLD_NEXT, "close");
    return real(fd);
}

static int fill(struct v4l2_buffer *buffer) {
    if (ordered("gone")) return failed(ENODEV);
    while (ordered("stall") || now_s() < due_s) {
        if (nonblocking) return failed(EAGAIN);
        usleep(1000);
    }
    int index = 0;
    while (index < BUFFERS && !queued[(next + index) % BUFFERS]) index++;
    if (index == BUFFERS) return failed(EAGAIN);
    index = (next + index) % BUFFERS;
    next = (index + 1) % BUFFERS;
    queued[index] = 0;
    unsigned char *at = memory + (size_t)index * ROOM;
    size_t used = (size_t)width * height * 2;
    if (format == V4L2_PIX_FMT_MJPEG) {
        FILE *file = fopen(getenv("FAKE_V4L2_JPEG"), "rb");
        used = fread(at, 1, ROOM, file);
        fclose(file);
    } else {
        for (size_t i = 0; i < used; i += 4) memcpy(at + i, "\x51\x5a\x51\xf0", 4); /* red, BT.601 */
    }
    due_s = now_s() + period_s;
    buffer->index = index;
    buffer->bytesused = used;
    buffer->sequence = sequence++;
    buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    buffer->timestamp.tv_sec = (long)now_s();
    return 0;
}

static int answer(unsigned long request, void *argument) {
    struct v4l2_capability *capability = argument;
    struct v4l2_fmtdesc *description = argument;
    struct v4l2_format *shape = argument;
    struct v4l2_streamparm *rate = argument;
    struct v4l2_buffer *buffer = argument;
    unsigned index;
    char line[80];
    switch (request) {
    case VIDIOC_QUERYCAP:
        memset(capability, 0, sizeof *capability);
        capability->capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        return 0;
    case VIDIOC_G_INPUT:
        *(int *)argument = 0;
        return 0;
    case VIDIOC_ENUMINPUT:
        index = ((struct v4l2_input *)argument)->index;
        memset(argument, 0, sizeof(struct v4l2_input));
        return index ? failed(EINVAL) : 0;
    case VIDIOC_ENUM_FMT:
        index = description->index;
        if (index > (getenv("FAKE_V4L2_JPEG") ? 1 : 0)) return failed(EINVAL);
        description->pixelformat = index ? V4L2_PIX_FMT_MJPEG : V4L2_PIX_FMT_YUYV;
        return 0;
    case VIDIOC_S_FMT: /* as drivers do: the nearest size, and YUYV for an unknown format */
        width = shape->fmt.pix.width > 960 ? 1280 : 640;
        height = width == 1280 ? 720 : 480;
        format = shape->fmt.pix.pixelformat == V4L2_PIX_FMT_MJPEG && getenv("FAKE_V4L2_JPEG") ? V4L2_PIX_FMT_MJPEG : V4L2_PIX_FMT_YUYV;
        shape->fmt.pix.width = width, shape->fmt.pix.height = height, shape->fmt.pix.pixelformat = format;
        shape->fmt.pix.bytesperline = format == V4L2_PIX_FMT_YUYV ? width * 2 : 0;
        shape->fmt.pix.sizeimage = width * height * 2;
        shape->fmt.pix.field = V4L2_FIELD_NONE;
        snprintf(line, sizeof line, "format %.4s %dx%d", (char *)&format, width, height);
        note(line);
        return 0;
    case VIDIOC_G_FMT:
        shape->fmt.pix.width = 640, shape->fmt.pix.height = 480, shape->fmt.pix.pixelformat = V4L2_PIX_FMT_YUYV;
        shape->fmt.pix.field = V4L2_FIELD_NONE;
        return 0;
    case VIDIOC_G_PARM:
        rate->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
        rate->parm.capture.timeperframe.numerator = 1, rate->parm.capture.timeperframe.denominator = 15;
        return 0;
    case VIDIOC_S_PARM:
        period_s = rate->parm.capture.timeperframe.numerator / (double)rate->parm.capture.timeperframe.denominator;
        if (period_s < 1 / 15.0) period_s = 1 / 15.0, rate->parm.capture.timeperframe.numerator = 1, rate->parm.capture.timeperframe.denominator = 15;
        snprintf(line, sizeof line, "rate %g", 1 / period_s);
        note(line);
        return 0;
    case VIDIOC_REQBUFS:
        ((struct v4l2_requestbuffers *)argument)->count = BUFFERS;
        return 0;
    case VIDIOC_QUERYBUF:
        buffer->length = ROOM, buffer->m.offset = buffer->index * ROOM;
        return 0;
    case VIDIOC_QBUF:
        queued[buffer->index] = 1;
        return 0;
    case VIDIOC_DQBUF:
        return fill(buffer);
    case VIDIOC_STREAMON:
        return ordered("busy") ? failed(EBUSY) : 0;
    case VIDIOC_STREAMOFF:
        return 0;
    }
    return failed(ENOTTY);
}

int ioctl(int fd, unsigned long request, ...) {
    va_list more;
    va_start(more, request);
    void *argument = va_arg(more, void *);
    va_end(more);
    if (fd == device && fd >= 0) return answer((unsigned int)request, argument);
    int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    return real(fd, request, argument);
}
