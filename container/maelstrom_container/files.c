/* Work on many files at a time, for layers of thousands: Python calls it once for a directory, from several threads.
 *
 * Nothing here decides anything: Python knows which files are wanted and what they are called. Names are opened in
 * directories that Python has opened, one component at a time; nothing is followed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

#define CLONE_FILE _IOW(0x94, 9, int) /* FICLONE */

enum { CHUNK = 64 * 1024, AT_ONCE = 1 << 30 };

static int64_t nanoseconds(struct timespec time)
{
    return (int64_t)((uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec); /* wraps in 2262: still tells times apart */
}

static struct file_record record_of(const struct stat *status)
{
    return (struct file_record){.mode = status->st_mode,
                                .size = (uint64_t)status->st_size,
                                .mtime = nanoseconds(status->st_mtim),
                                .ctime = nanoseconds(status->st_ctim),
                                .device = status->st_dev,
                                .inode = status->st_ino};
}

static int same_contents(const struct file_record *one, const struct file_record *other)
{
    return one->size == other->size && one->mtime == other->mtime && one->ctime == other->ctime &&
           one->device == other->device && one->inode == other->inode;
}

int64_t files_scan(const char *directory, char *records, uint64_t size, int64_t *latest)
{
    uint64_t used = 0;
    struct dirent *entry;
    DIR *stream = opendir(directory);

    *latest = INT64_MIN;
    if (stream == NULL)
        return -errno;
    while (errno = 0, (entry = readdir(stream)) != NULL) {
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (fstatat(dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
            if (errno == ENOENT)
                continue; /* it has just gone */
            break;
        }
        struct file_record record = record_of(&status);
        if (S_ISDIR(status.st_mode))
            record.size = 0, record.mtime = record.ctime = 0;
        if (record.mtime > *latest)
            *latest = record.mtime;
        if (record.ctime > *latest)
            *latest = record.ctime;
        record.name_size = (uint32_t)strlen(entry->d_name);
        if (used + sizeof record + record.name_size <= size) {
            memcpy(records + used, &record, sizeof record);
            memcpy(records + used + sizeof record, entry->d_name, record.name_size);
        }
        used += sizeof record + record.name_size;
    }
    int error = errno;
    closedir(stream);
    return error ? -error : (int64_t)used;
}

/* Returns whether all of an open file is in the buffer; asks for a byte more, to see that it ends there. */
static int read_all(int fd, char *to, uint64_t size)
{
    uint64_t done = 0;
    while (done < size) {
        ssize_t count = read(fd, to + done, size + 1 - done);
        if (count <= 0)
            return 0;
        done += (uint64_t)count;
    }
    return done == size;
}

/* Returns whether all of the file is in the buffer, and it was the same before and after. */
static int read_whole(int fd, struct file_read *file, char *to, uint64_t room)
{
    struct stat status;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || (uint64_t)status.st_size >= room)
        return 0;
    file->found = record_of(&status);
    if (!read_all(fd, to, file->found.size) || fstat(fd, &status) < 0)
        return 0;
    struct file_record after = record_of(&status);
    return same_contents(&file->found, &after);
}

void files_read(struct file_read *files, int count, char *buffer, uint64_t size)
{
    uint64_t used = 0;
    for (int index = 0; index < count; index++) {
        struct file_read *file = &files[index];
        file->at = -1;
        int fd = open(file->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (read_whole(fd, file, buffer + used, size - used)) {
            file->at = (int64_t)used;
            used += file->found.size;
        }
        close(fd);
    }
}

static int write_all(int fd, const char *from, size_t size)
{
    while (size > 0) {
        ssize_t count = write(fd, from, size);
        if (count < 0)
            return -1;
        from += count;
        size -= (size_t)count;
    }
    return 0;
}

/* Large files are copied by the kernel, as far as it can; small ones in one go, which is quicker. */
static int copy_contents(int reader, int writer, uint64_t size)
{
    char chunk[CHUNK];
    ssize_t count;

    if (size > CHUNK)
        while (copy_file_range(reader, NULL, writer, NULL, AT_ONCE, 0) > 0)
            ;
    while ((count = read(reader, chunk, sizeof chunk)) > 0) {
        if (write_all(writer, chunk, (size_t)count) < 0)
            return -1;
        if ((uint64_t)count == size) /* all that there should be: whether there is more the next look at it says */
            break;
    }
    return count < 0 ? -1 : 0;
}

static int clone_contents(int reader, int writer, int *reflinks)
{
    if (!*reflinks)
        return 0;
    if (ioctl(writer, CLONE_FILE, reader) == 0)
        return 1;
    if (errno != EXDEV) /* which says nothing about the next file */
        *reflinks = 0;
    return 0;
}

static int is_expected(int reader, const struct file_record *expected)
{
    struct stat status;
    if (fstat(reader, &status) < 0)
        return 0;
    struct file_record found = record_of(&status);
    return same_contents(&found, expected);
}

/* What ext4 can store: from 1901 on. */
static struct timespec storable(int64_t time)
{
    const int64_t second = 1000000000, earliest = -2147483648 * second;
    int64_t bound = time < earliest ? earliest : time;
    int64_t part = bound % second < 0 ? bound % second + second : bound % second;
    return (struct timespec){.tv_sec = (bound - part) / second, .tv_nsec = part};
}

static int fill(const struct file_copy *copy, int reader, int writer, int *reflinks, enum file_failure *failure)
{
    *failure = FILE_SOURCE;
    if (!is_expected(reader, &copy->expected))
        return -1;
    *failure = FILE_TARGET;
    if (!clone_contents(reader, writer, reflinks) && copy_contents(reader, writer, copy->expected.size) < 0)
        return -1;
    *failure = FILE_SOURCE;
    if (!is_expected(reader, &copy->expected))
        return -1;
    *failure = FILE_TARGET;
    struct timespec time = storable(copy->mtime);
    return fchmod(writer, copy->mode) < 0 || futimens(writer, (struct timespec[2]){time, time}) < 0 ? -1 : 0;
}

/* Closes both ends of a copy; returns the result so far, or -1 where what was written is found to be lost only now. */
static int closed(int reader, int writer, int result)
{
    int error = errno;
    if (writer >= 0 && close(writer) < 0 && result == 0) {
        result = -1;
        error = errno;
    }
    close(reader);
    errno = error;
    return result;
}

static int copy_one(const struct file_copy *copy, int directory, int *reflinks, enum file_failure *failure)
{
    *failure = FILE_SOURCE;
    int reader = open(copy->source, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (reader < 0)
        return -1;
    *failure = FILE_TARGET;
    int writer = openat(directory, copy->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int result = writer < 0 ? -1 : fill(copy, reader, writer, reflinks, failure);
    return closed(reader, writer, result);
}

/* Into the layer first: a blob with one name only is one that nobody needs. If another was quicker to make the blob, this
 * layer keeps a copy of its own; and where a blob has as many links as the file system allows. */
static int link_or_copy(const struct file_copy *copy, int directory, int blobs, int *reflinks, enum file_failure *failure)
{
    *failure = FILE_TARGET;
    if (linkat(blobs, copy->blob, directory, copy->name, 0) == 0)
        return 0;
    if (errno != ENOENT && errno != EMLINK)
        return -1;
    int missing = errno == ENOENT;
    if (copy_one(copy, directory, reflinks, failure) < 0)
        return -1;
    *failure = FILE_TARGET;
    return missing && linkat(directory, copy->name, blobs, copy->blob, 0) < 0 && errno != EEXIST ? -1 : 0;
}

int files_copy(const struct file_copy *copies, int count, int directory, int blobs, struct file_results *results)
{
    enum file_failure what = FILE_COPIED;
    for (int index = 0; index < count; index++)
        if (link_or_copy(&copies[index], directory, blobs, &results->reflinks, &what) < 0) {
            results->failure = (int)what;
            results->error = errno;
            return count - index;
        }
    return 0;
}

static int write_one(const struct file_write *file, const char *contents, int directory)
{
    int writer = openat(directory, file->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (writer < 0)
        return -1;
    struct timespec time = storable(file->mtime);
    int result = write_all(writer, contents + file->at, file->size);
    if (result == 0 && (fchmod(writer, file->mode) < 0 || futimens(writer, (struct timespec[2]){time, time}) < 0))
        result = -1;
    int error = errno;
    if (close(writer) < 0 && result == 0)
        return -1;
    errno = error;
    return result;
}

/* In the order of link_or_copy, for its reasons. */
static int link_or_write(const struct file_write *file, const char *contents, int directory, int blobs,
                         enum file_failure *failure)
{
    *failure = FILE_TARGET;
    if (linkat(blobs, file->blob, directory, file->name, 0) == 0)
        return 0;
    if (errno != ENOENT && errno != EMLINK)
        return -1;
    int missing = errno == ENOENT;
    if (contents == NULL) {
        *failure = FILE_SOURCE;
        return -1;
    }
    if (write_one(file, contents, directory) < 0)
        return -1;
    return missing && linkat(directory, file->name, blobs, file->blob, 0) < 0 && errno != EEXIST ? -1 : 0;
}

int files_write(const struct file_write *writes, int count, const char *contents, const int *at,
                struct file_results *results)
{
    enum file_failure what = FILE_COPIED;
    for (int index = 0; index < count; index++)
        if (link_or_write(&writes[index], contents, at[0], at[1], &what) < 0) {
            results->failure = (int)what;
            results->error = errno;
            return count - index;
        }
    return 0;
}

/* Reads what is still as its record says, which is looked at when it has been read: times would have moved on. */
static int read_recorded(int reader, const struct file_record *record, char *to)
{
    return read_all(reader, to, record->size) && is_expected(reader, record);
}

/* Opens a file to be written; its mode is as wanted, by one call less where a file before it (`exact`) got that as well. */
static int create(int directory, const char *name, mode_t mode, mode_t *exact)
{
    struct stat status;
    int writer = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (writer < 0 || *exact == mode)
        return writer;
    if (fstat(writer, &status) == 0 && ((status.st_mode & 07777) == mode || fchmod(writer, mode) == 0)) {
        *exact = (status.st_mode & 07777) == mode ? mode : *exact;
        return writer;
    }
    close(writer);
    return -1;
}

/* Shares the contents, as long as they are those that were read; else writes these. */
static int share_or_write(int reader, int writer, const struct file_record *record, const char *contents, int *reflinks)
{
    if (clone_contents(reader, writer, reflinks)) {
        if (is_expected(reader, record))
            return 0;
        if (ftruncate(writer, 0) < 0)
            return -1;
    }
    return write_all(writer, contents, record->size);
}

/* Returns -1 if the file could not be made, FILE_LEFT if it could not be read. */
static int carry_one(struct file_carry *carry, const struct file_record *record, const char *name, char *to, mode_t *exact)
{
    int reader = openat(carry->from, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (reader < 0 || !read_recorded(reader, record, to)) {
        if (reader >= 0)
            close(reader);
        return FILE_LEFT;
    }
    int writer = create(carry->to, name, record->mode & 0777, exact);
    struct timespec time = storable(record->mtime);
    int result = writer < 0 ? -1 : 0;
    if (result == 0)
        result = share_or_write(reader, writer, record, to, &carry->reflinks);
    if (result == 0)
        result = futimens(writer, (struct timespec[2]){time, time});
    return closed(reader, writer, result);
}

int files_carry(struct file_carry *carry, int64_t *at)
{
    const char *next = carry->records;
    uint64_t used = 0;
    mode_t exact = (mode_t)-1;
    for (int index = 0; index < carry->count; index++) {
        struct file_record record;
        char name[NAME_MAX + 1];
        memcpy(&record, next, sizeof record);
        memcpy(name, next + sizeof record, record.name_size);
        name[record.name_size] = 0;
        next += sizeof record + record.name_size;
        at[index] = FILE_LINKED;
        if (carry->same[index] && linkat(carry->below, name, carry->to, name, 0) == 0)
            continue;
        at[index] = FILE_LEFT;
        if (record.size >= carry->size - used)
            continue;
        int result = carry_one(carry, &record, name, carry->buffer + used, &exact);
        if (result == -1) {
            carry->error = errno;
            return carry->count - index;
        }
        if (result == 0) {
            at[index] = (int64_t)used;
            used += record.size;
        }
    }
    return 0;
}
