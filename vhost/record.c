// SPDX-License-Identifier: MIT
/* The messages that make the record of requests in flight and pass it on. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vhost/record.h"
#include "virtq/inflight-packed.h"

/* Of ring @i, in the layout of the rings that were agreed on. */
static void *record_of(const struct vhost_session *s, unsigned i)
{
    size_t size = vhost_session_has(s, VIRTIO_F_RING_PACKED)
                      ? virtq_inflight_packed_size(s->inflight_entries)
                      : virtq_inflight_size(s->inflight_entries);

    return s->inflight.data + i * size;
}

int vhost_record_attach(struct vhost_session *s, unsigned i, struct error *err)
{
    struct vhost_ring *r = &s->rings[i];

    s->dev->queues[i].vq.inflight = NULL;
    if (!s->inflight.data || i >= s->inflight_queues) {
        return 0;
    }
    if (r->size > s->inflight_entries) {
        return error_set(err, -EINVAL, "ring %u has %u entries, its record of requests %u", i,
                         r->size, s->inflight_entries);
    }
    r->inflight.region = record_of(s, i);
    r->inflight.entries = s->inflight_entries;
    s->dev->queues[i].vq.inflight = &r->inflight;
    return 0;
}

void vhost_record_forget(struct vhost_session *s)
{
    for (unsigned i = 0; s->inflight.data && i < s->inflight_queues; i++) {
        virtq_inflight_forget(record_of(s, i));
    }
}

static int check_inflight(struct vhost_session *s, const struct vhost_inflight *f,
                          struct error *err)
{
    unsigned size = s->channel.msg.header.size;

    if (size < VHOST_INFLIGHT_SIZE || size > sizeof(*f)) {
        return error_set(err, -EPROTO, "a record of requests is described in %u bytes", size);
    }
    if (f->num_queues == 0 || f->num_queues > s->nr_rings || f->queue_size == 0) {
        return error_set(err, -EINVAL, "a record for %u rings of %u entries; there are %u rings",
                         f->num_queues, f->queue_size, s->nr_rings);
    }
    return 0;
}

static void take_inflight(struct vhost_session *s, const struct vhost_inflight *f)
{
    s->inflight_queues = f->num_queues;
    s->inflight_entries = f->queue_size;
}

int vhost_get_inflight_fd(struct vhost_session *s, struct error *err)
{
    struct vhost_inflight f = s->channel.msg.payload.inflight;
    int fd, ret = check_inflight(s, &f, err);

    if (ret < 0) {
        return ret;
    }
    f.mmap_offset = 0;
    f.mmap_size = f.num_queues * virtq_inflight_packed_size(f.queue_size); /* the larger one */
    fd = memfd_create("vhost-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)f.mmap_size) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        ret = -errno;
        if (fd >= 0) {
            close(fd);
        }
        return error_set(err, ret, "no memory for a record of requests: %s", strerror(-ret));
    }
    ret = vhost_channel_reply(&s->channel, &f, s->channel.msg.header.size, fd, err);
    close(fd);
    return ret;
}

int vhost_record_set(struct vhost_session *s, struct error *err)
{
    struct vhost_message *msg = &s->channel.msg;
    const struct vhost_inflight *f = &msg->payload.inflight;
    int ret = check_inflight(s, f, err);

    if (ret < 0) {
        return ret;
    }
    if (msg->nr_fds != 1 ||
        f->mmap_size < f->num_queues * virtq_inflight_packed_size(f->queue_size)) {
        return error_set(err, -EINVAL,
                         "a record of %" PRIu64 " bytes for %u rings of %u entries, %u descriptors",
                         f->mmap_size, f->num_queues, f->queue_size, msg->nr_fds);
    }
    if (f->mmap_offset % VIRTQ_INFLIGHT_ALIGN) {
        return error_set(err, -EINVAL,
                         "a record of requests at %" PRIu64 " of its file is not "
                         "aligned to %d bytes",
                         f->mmap_offset, VIRTQ_INFLIGHT_ALIGN);
    }
    shared_map_close(&s->inflight);
    ret = shared_map_open(&s->inflight, msg->fds[0], f->mmap_offset, f->mmap_size, s->wake_fd, err);
    if (ret < 0) {
        return ret;
    }
    take_inflight(s, f);
    return 0;
}
