/* What Python sees of files.c (read by cffi): work on many files at a time, for layers. Times are nanoseconds. */
#ifndef MAELSTROM_FILES_H
#define MAELSTROM_FILES_H

/* What changes when a file does; in a scan its name follows, `name_size` bytes. Of directories only mode and inode
 * count: what is in them is a record of its own. */
struct file_record {
    uint32_t mode, name_size;
    uint64_t size;
    int64_t mtime, ctime;
    uint64_t device, inode;
};

/* Writes a record for everything in a directory, symbolic links not followed, in the order of the directory. Returns
 * how many bytes that takes, which may be more than there are (`size`): then what was written counts for nothing. Or
 * -errno. `latest` becomes the latest time of a file. */
int64_t files_scan(const char *directory, char *records, uint64_t size, int64_t *latest);

struct file_read {
    const char *path;
    struct file_record found; /* as it was before and after it was read; name_size is 0 */
    int64_t at;               /* where in the buffer its contents are, -1: see files_read */
};

/* Reads whole files, one behind the other, as long as there is room. Those that are too large for what is left, changed
 * meanwhile, or cannot be read have none (`at` is -1). */
void files_read(struct file_read *files, int count, char *buffer, uint64_t size);

enum file_failure { FILE_COPIED, FILE_SOURCE, FILE_TARGET };

struct file_copy {
    const char *source, *name, *blob; /* a path; in the directory; in the directory of blobs */
    uint32_t mode;
    int64_t mtime;
    struct file_record expected; /* of the source */
};

struct file_results {
    int reflinks;       /* whether they are tried: until the file system has none */
    int failure, error; /* of the first file that could not be made: what failed, and its errno */
};

/* Makes files in a directory, each from its blob, which is made if it is missing: for struct file_copy in turn a hard
 * link, or a copy (a reflink, if possible) that becomes the blob, too. Ends at the first that fails, and returns how many
 * are left then. */
int files_copy(const struct file_copy *copies, int count, int directory, int blobs, struct file_results *results);

struct file_write {
    const char *name, *blob; /* in the directory; in the directory of blobs */
    uint32_t mode;
    int64_t mtime;
    uint64_t at, size; /* where in the contents */
};

/* Makes files in a directory (at[0]), each from its blob (in at[1]), or where that is missing from contents in memory; the file becomes the
 * blob then. Without contents (NULL) one that has no blob fails, by its source. Else as files_copy. */
int files_write(const struct file_write *writes, int count, const char *contents, const int *at,
                struct file_results *results);

enum { FILE_LINKED = -1, FILE_LEFT = -2 };

struct file_carry {
    int from, to, below; /* directories that are open; `below` may be -1 */
    int count;
    const char *records, *same; /* of each file the record of a scan, its name behind it; whether `below` has it */
    char *buffer;
    uint64_t size;
    int reflinks, error; /* as in struct file_results */
};

/* Copies files of one directory into another, reading each once. Its record has to hold when it was read. What became of
 * it is put into `at`: where in the buffer its contents are; FILE_LINKED, where the same file below could be linked;
 * FILE_LEFT, if it has changed, cannot be read or has no room in the buffer: then it is not made. Ends at the first that
 * could not be made for another reason, and returns how many are left then. */
int files_carry(struct file_carry *carry, int64_t *at);
#endif
